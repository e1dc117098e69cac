// A run that a guard holds: looked at with its counts, and approved. Called by tests/console/browser.rs.
import { strict as assert } from "node:assert";
import { fits, person, picture, play, say, url } from "./people.mjs";

await play(async () => {
  // Everybody reads how much it is and why it waits; an operator may look at it, and approves nothing.
  const olga = await person("olga");
  await olga.goto(url + "/todo");
  await olga.getByText("A run of acme/contacts is held and waits for you.").waitFor();
  await olga.getByText("It would change 24 records.").waitFor();
  await olga.getByText("24 records would be changed; 20 at a time without asking").first().waitFor();
  assert.equal(await olga.getByText("Approve", { exact: true }).count(), 0, "an operator approves nothing");

  // An admin looks at every record of it first.
  const anna = await person("anna");
  await anna.goto(url + "/integration?name=acme");
  await anna.getByRole("button", { name: "Show what a sync would do" }).click();
  await anna.locator("#preview").getByText("would change 24 records").waitFor();
  await picture(anna, "preview");
  say("a held run is looked at");

  await anna.getByText("Approve", { exact: true }).click();
  const sure = anna.getByRole("button", { name: "Yes: approve" });
  await sure.scrollIntoViewIfNeeded();
  await picture(anna, "approve");
  await fits(anna);
  await sure.click();
  await anna.getByText("Approved. It begins now.").waitFor();
  say("and approved");

  return [olga, anna];
});
