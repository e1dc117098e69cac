// People at the console: a browser, somebody who signs in, pictures of what they see.
import { strict as assert } from "node:assert";
import { chromium } from "playwright-core";

const { CONSOLE_URL, CONSOLE_PASSWORD: password, CONSOLE_PICTURES: pictures, CHROMIUM: executablePath } = process.env;
export const url = CONSOLE_URL;
export const browser = await chromium.launch({ executablePath: executablePath || "/usr/bin/chromium", args: ["--no-sandbox"] });
const wide = { width: 1180, height: 900 };

export async function person(name, options = {}) {
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

export async function picture(page, name) {
  if (pictures) await page.screenshot({ path: `${pictures}/console-${name}.png`, fullPage: false });
}

// Nothing is wider than the screen.
export async function fits(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${page.url()} is ${over} px too wide`);
}

export const say = (text) => console.log(text);

// The script of a test: the browser ends whatever happens, and what it complained of counts.
export async function play(script) {
  try {
    for (const page of await script()) assert.deepEqual(page.trouble, [], "the browser complained");
    say("done");
  } finally {
    await browser.close();
  }
}
