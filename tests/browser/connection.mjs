// A sync that somebody watches, a connection that somebody ends, and its way back. Called by tests/practice/desk.rs.
import { strict as assert } from "node:assert";
import { fits, person, picture, play, say, url } from "./people.mjs";

const { PUBLIC_URL: outside } = process.env;

// The owner of the account follows a link to its end. Whoever is outside reaches the daemon through a proxy.
async function consent(link) {
  const own = (address) => address.replace("https://sync.example", outside);
  const lead = async (method, address) => (await fetch(own(address), { method, redirect: "manual" })).headers.get("location");
  const back = await lead("GET", await lead("POST", link));
  const end = await fetch(own(back));
  assert.match(await end.text(), /you are connected/);
}

await play(async () => {
  const [vera, olga, anna] = [await person("vera"), await person("olga"), await person("anna")];

  // Who asks for a sync sees how far it is; who only looks sees it too, without doing anything.
  await vera.goto(url + "/integration?name=xpm-portal");
  assert.equal(await vera.locator("#now progress").count(), 0);
  await olga.goto(url + "/integration?name=xpm-portal");
  await olga.getByRole("button", { name: "Sync now" }).click();
  await olga.getByText("It is under way.").waitFor();
  for (const page of [olga, vera]) await page.locator("#now progress[max='250']").waitFor();
  const done = async () => Number(await vera.locator("#now progress").getAttribute("value"));
  const first = await done();
  await vera.waitForFunction((first) => Number(document.querySelector("#now progress")?.value ?? 250) > first, first);
  await picture(olga, "progress");
  for (const page of [olga, vera]) await page.locator("#now progress").waitFor({ state: "detached", timeout: 90000 });
  await vera.getByText("250 created").first().waitFor();
  say("a sync is watched");

  // An admin ends the connection; whoever looks at any page reads that, and by whom.
  await vera.goto(url + "/");
  assert.equal(await vera.getByText("xpm is not connected.").count(), 0);
  await anna.goto(url + "/connections");
  await anna.getByText("Disconnect", { exact: true }).click();
  await anna.getByRole("button", { name: "Yes: disconnect" }).click();
  await anna.getByRole("status").getByText("given back").waitFor();
  await vera.getByText("xpm is not connected.").waitFor();
  await vera.getByText("anna disconnected it").waitFor();
  await picture(vera, "not-connected");
  await vera.getByRole("link", { name: "What to do" }).click();
  await vera.getByText("Not connected", { exact: true }).waitFor();
  assert.equal(await vera.getByRole("button", { name: "Connect" }).count(), 0, "a viewer connects nothing");
  assert.equal(await olga.getByText("Yes: disconnect").count(), 0, "nor does an operator");
  await picture(anna, "disconnected");
  say("a disconnect is seen");

  // The owner of the account gets a link; the banner is gone when they have consented.
  await anna.getByRole("button", { name: "Connect", exact: true }).click();
  const link = await anna.getByRole("status").getByRole("link").getAttribute("href");
  await picture(anna, "link");
  await consent(link);
  await vera.getByText("xpm is not connected.").waitFor({ state: "detached" });
  await vera.getByText("Connected", { exact: true }).first().waitFor();
  say("and the way back");

  const phone = await person("vera", { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true });
  await phone.goto(url + "/connections");
  await fits(phone);
  return [vera, olga, anna, phone];
});
