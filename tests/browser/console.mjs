// The console in Chromium: sign in per role, decide a conflict, pair a record, approve a first run, watch a sync, see what is not
// connected; and pictures of every page, wide, narrow and dark. Called by tests/console/browser.rs, which tells where the console is.
import { strict as assert } from "node:assert";
import { chromium } from "playwright-core";

const { CONSOLE_URL: url, CONSOLE_PASSWORD: password, CONSOLE_PICTURES: pictures, CHROMIUM: executablePath } = process.env;
const browser = await chromium.launch({ executablePath: executablePath || "/usr/bin/chromium", args: ["--no-sandbox"] });
const wide = { width: 1180, height: 900 };

async function person(name, options = {}) {
  const context = await browser.newContext({ viewport: wide, ...options });
  context.setDefaultTimeout(30000);
  const page = await context.newPage();
  page.trouble = [];
  page.on("console", (message) => { if (message.type() === "error") page.trouble.push(message.text()); });
  page.on("pageerror", (error) => page.trouble.push(String(error)));
  await page.goto(url + "/");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  return page;
}

async function picture(page, name) {
  if (pictures) await page.screenshot({ path: `${pictures}/console-${name}.png`, fullPage: false });
}

// Nothing is wider than the screen.
async function fits(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${page.url()} is ${over} px too wide`);
}

const say = (text) => console.log(text);

try {
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
  say("an operator syncs and watches");

  // An admin pairs a record with the right one, and approves a first run after looking at it.
  const anna = await person("anna");
  await anna.goto(url + "/todo");
  await anna.getByRole("button", { name: "Use that one" }).first().click();
  await anna.getByText("these two are one from now on").waitFor();
  await anna.goto(url + "/integration?name=bravo");
  await anna.getByRole("button", { name: "Show what a sync would do" }).click();
  await anna.getByText("would create 1 record").first().waitFor();
  await picture(anna, "preview");
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

  for (const page of [vera, olga, anna, phone]) assert.deepEqual(page.trouble, [], "the browser complained");
  say("done");
} finally {
  await browser.close();
}
