// A person with a phone: signs in to the page, watches it, and approves what waits.
//
// node browser.mjs MODULES CHROMIUM ADDRESS
//
// MODULES is the folder that holds node_modules; ADDRESS is what `huntbook web` prints. Prints `watching` when the
// overview is open, and waits until it shows a stop with the reason `drill`; then approves. At the end prints what
// it saw as one line of JSON.

import { createRequire } from "node:module";

const [modules, executablePath, address] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const { chromium, devices } = require("playwright-core");

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const context = await browser.newContext({ ...devices["iPhone 13"] });
const page = await context.newPage();
page.setDefaultTimeout(120_000);
const trouble = [];
page.on("console", (line) => ["error", "warning"].includes(line.type()) && trouble.push(line.text()));
page.on("pageerror", (error) => trouble.push(String(error)));
page.on("dialog", (dialog) => {
  trouble.push(`a dialog: ${dialog.message()}`);
  return dialog.dismiss();
});

// Whether all of the page fits on the screen's width.
const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
// Fields without a label, and pages without exactly one heading of the first level.
const unlabelled = () =>
  page.evaluate(() => {
    const fields = [...document.querySelectorAll("input:not([type=hidden]), select, textarea")];
    const bare = fields.filter((field) => field.labels.length === 0).map((field) => field.outerHTML);
    return document.querySelectorAll("h1").length === 1 ? bare : [...bare, "headings"];
  });
const seen = { fits: [], unlabelled: [] };
const look = async () => {
  seen.fits.push(await fits());
  seen.unlabelled.push(...(await unlabelled()));
};

await page.goto(address);
seen.fragment = await page.evaluate(() => location.hash);
await look();
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByRole("heading", { name: "Overview" }).waitFor();
await look();
await page.evaluate(() => {
  globalThis.sameDocument = true;
});
await page.getByText("Stop actions").click();
await page.getByLabel("Why").fill("half a thought");
console.log("watching");
await page.getByText("drill").first().waitFor();
seen.live = await page.evaluate(() => globalThis.sameDocument === true);
seen.typed = await page.getByLabel("Why").inputValue();
await page.getByRole("button", { name: "Lift this stop" }).click();
await page.getByText("Nothing is stopped.").waitFor();

await page.getByRole("link", { name: /isolateDevice/ }).first().click();
await page.getByRole("heading", { name: /isolateDevice/ }).waitFor();
await look();
seen.text = await page.locator("main").innerText();
seen.images = await page.locator("img, main script").count();
await page.getByLabel(/Why/).fill("seen it on the phone");
await page.getByRole("button", { name: "Approve" }).click();
await page.getByText("seen it on the phone").waitFor();
seen.after = await page.locator("main").innerText();
await page.getByRole("link", { name: "Runs" }).click();
await page.getByRole("heading", { name: "Runs" }).waitFor();
await look();
await page.getByRole("button", { name: "Sign out" }).click();
await page.getByRole("heading", { name: "Sign in" }).waitFor();
await page.goto(new URL("/", address).href);
seen.signedOut = (await page.getByLabel("Code").count()) === 1;
await browser.close();
console.log(JSON.stringify({ ...seen, trouble }));
