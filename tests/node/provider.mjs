// A person signs in to the page by way of the OpenID provider.
//
// node provider.mjs MODULES CHROMIUM ADDRESS
//
// MODULES is the folder that holds node_modules; ADDRESS is the page on which one signs in. Prints what it saw as one
// line of JSON.

import { createRequire } from "node:module";

const [modules, executablePath, address] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const { chromium } = require("playwright-core");

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const context = await browser.newContext();
const page = await context.newPage();
page.setDefaultTimeout(120_000);
const trouble = [];
page.on("console", (line) => ["error", "warning"].includes(line.type()) && trouble.push(line.text()));
page.on("pageerror", (error) => trouble.push(String(error)));

await page.goto(address);
await page.getByRole("link", { name: "Sign in with" }).click();
await page.getByRole("heading", { name: "You are signed in" }).waitFor();
await page.getByRole("link", { name: "Go to the overview" }).click();
await page.getByRole("heading", { name: "Overview" }).waitFor();
const text = await page.locator("body").innerText();
const cookies = (await context.cookies()).map(({ name, sameSite, httpOnly }) => ({ name, sameSite, httpOnly }));
const forms = await page.locator("main form").count();
await browser.close();
console.log(JSON.stringify({ text, cookies: cookies.filter(({ name }) => name.startsWith("huntbook")), forms, trouble }));
