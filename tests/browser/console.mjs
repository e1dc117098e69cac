// The console in Chromium: sign in per role, decide a conflict, pair a record, approve a first run, watch a sync, see what is not
// connected; and pictures of every page, wide, narrow and dark. Called by tests/console/browser.rs, which tells where the console is.
import { strict as assert } from "node:assert";
import { fits, person, picture, play, say, url } from "./people.mjs";

await play(async () => {
  // A viewer sees everything and can press nothing.
  const vera = await person("vera");
  await picture(vera, "overview");
  await vera.getByRole("link", { name: "For you" }).first().click();
  await vera.getByText("is not the same on both sides").first().waitFor();
  assert.equal(await vera.getByRole("button", { name: "Use shop's value" }).count(), 0);
  assert.equal(await vera.getByRole("button", { name: "Use that one" }).count(), 0);
  say("a viewer looks");

  // An operator decides a conflict with one click, and the viewer's open page follows by itself.
  const olga = await person("olga");
  await olga.goto(url + "/todo");
  await picture(olga, "todo");
  await olga.getByRole("button", { name: "Use shop's value" }).click();
  await olga.getByText("Decided. The value goes to the other side").waitFor();
  assert.equal(await olga.getByText("Yes: approve").count(), 0, "an operator approves nothing");
  await vera.getByText("Which value is right?").waitFor({ state: "detached" });
  say("an operator decides a conflict, and another page follows");

  // The keyboard alone: the search is a key away.
  await olga.goto(url + "/");
  await olga.keyboard.press("/");
  await olga.keyboard.type("brav");
  await olga.keyboard.press("Enter");
  await olga.waitForURL(/q=brav/);
  assert.equal(await olga.locator("#integrations tbody tr").count(), 1);
  await olga.goto(url + "/integration?name=acme");
  await olga.getByRole("button", { name: "Sync now" }).click();
  await olga.getByRole("status").waitFor();
  await olga.locator("#now progress").waitFor({ state: "detached" });
  await picture(olga, "integration");
  await olga.goto(url + "/pipeline?name=acme/contacts");
  await olga.getByLabel("Find a record").waitFor();
  await picture(olga, "pipeline");
  say("an operator syncs and watches");

  // An admin pairs a record with the right one, and approves a first run after looking at it.
  const anna = await person("anna");
  await anna.goto(url + "/todo");
  await anna.getByRole("button", { name: "Use that one" }).first().click();
  await anna.getByText("these two are one from now on").waitFor();
  await anna.goto(url + "/integration?name=bravo");
  await anna.getByRole("button", { name: "Show what a sync would do" }).click();
  await anna.locator("#preview").getByText("would create 1 record").waitFor();
  await anna.getByText("Approve", { exact: true }).first().click();
  await anna.getByRole("button", { name: "Yes: approve" }).first().click();
  await anna.getByText("Approved. It begins now.").waitFor();
  say("an admin pairs and approves");

  // Why a record is as it is.
  await anna.goto(url + "/pipeline?name=acme/contacts");
  await anna.getByLabel("Find a record").fill("jane@x.example");
  await anna.keyboard.press("Enter");
  await anna.getByRole("heading", { name: "Contact Jane Doe" }).waitFor();
  await picture(anna, "record");
  await anna.goto(url + "/connections");
  await picture(anna, "connections");
  await anna.goto(url + "/changes");
  await anna.getByText("conflict-resolve").first().waitFor();
  await picture(anna, "changes");
  await anna.goto(url + "/configuration");
  await anna.getByRole("heading", { name: "Configuration" }).first().waitFor();
  await picture(anna, "configuration");
  say("a record is explained, and changes are listed");

  // Phone and dark.
  const phone = await person("anna", { viewport: { width: 390, height: 780 }, colorScheme: "dark", isMobile: true, hasTouch: true });
  for (const path of ["/", "/todo", "/integration?name=acme", "/record?pipeline=acme/contacts&record=jane@x.example", "/connections", "/configuration", "/changes"]) {
    await phone.goto(url + path);
    await fits(phone);
  }
  await phone.goto(url + "/todo");
  await picture(phone, "phone");
  await phone.goto(url + "/");
  await picture(phone, "phone-overview");
  say("it fits a phone, and is dark there");

  // Without a script everything works.
  const plain = await person("olga", { javaScriptEnabled: false });
  await plain.goto(url + "/integration?name=acme");
  await plain.getByRole("button", { name: "Pause" }).first().click();
  await plain.getByText("Paused: nothing of it starts by itself.").waitFor();
  await plain.getByRole("button", { name: "Let it go on" }).first().click();
  await plain.getByText("It goes on.").waitFor();
  await plain.getByRole("button", { name: "Sign out" }).click();
  await plain.getByLabel("Password").waitFor();
  await picture(plain, "login");
  say("it works without a script");

  return [vera, olga, anna, phone];
});
