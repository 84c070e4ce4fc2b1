// Somebody who is signed in looks at pages on phones.
//
// node phone.mjs MODULES CHROMIUM ADDRESS COOKIE PATH...
//
// MODULES is the folder that holds node_modules; COOKIE is the session's, as `name=value`. Prints one line of JSON: for
// each path and each width of a screen what is wider than it, and the text.

import { createRequire } from "node:module";

const [modules, executablePath, address, cookie, ...paths] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const { chromium, devices } = require("playwright-core");

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const seen = [];
for (const width of [390, 320]) {
  const context = await browser.newContext({ ...devices["iPhone 13"], viewport: { width, height: 664 } });
  const [name, ...value] = cookie.split("=");
  await context.addCookies([{ name, value: value.join("="), url: address }]);
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  for (const path of paths) {
    const answer = await page.goto(new URL(path, address).href);
    const wide = await page.evaluate(() => {
      if (document.documentElement.scrollWidth <= innerWidth) return [];
      const all = [...document.querySelectorAll("body *")];
      const beyond = all.filter((element) => innerWidth < element.getBoundingClientRect().right);
      return ["the page", ...beyond.map((element) => element.outerHTML.slice(0, 120))];
    });
    const text = await page.locator("body").innerText();
    const headings = await page.locator("h1").count();
    seen.push({ path, width, status: answer.status(), wide, headings, text });
  }
  await context.close();
}
await browser.close();
console.log(JSON.stringify(seen));
