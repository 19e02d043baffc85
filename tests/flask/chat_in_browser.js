// Two people in two browser windows use examples/flask_chat.
// Usage: node chat_in_browser.js URL CHROMIUM [FOLDER FOR SCREENSHOTS]
// Prints "ok NAME" for each step; after "restart, please" it expects the server to go and to come back.
"use strict";
const assert = require("assert");
const path = require("path");
const { chromium } = require("playwright-core");

const [url, executablePath, screenshots] = process.argv.slice(2);
const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const faults = [];
const step = (name) => console.log(`ok ${name}`);
const shows = (page, selector, text) => page.locator(selector, { hasText: text }).first().waitFor();
const picture = (page, name) => screenshots && page.screenshot({ path: path.join(screenshots, `${name}.png`) });

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

async function open(browser, name) {
  const context = await browser.newContext({ viewport: { width: 1040, height: 760 } });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on("pageerror", (error) => faults.push(`${name}: ${error.stack}`));
  page.on("dialog", () => faults.push(`${name}: a script of a message ran`));
  await page.goto(url);
  return page;
}

async function signIn(page, name) {
  await page.fill("#name", name);
  await page.click("text=Sign in");
  await shows(page, "#state", "websocket");
}

async function run(browser) {
  const ada = await open(browser, "Ada");
  await picture(ada, "flask_chat_sign_in");
  await ada.fill("#name", "   ");
  await ada.click("text=Sign in");
  await shows(ada, ".problem", "1 to 20");
  step("a name is asked for");
  const bob = await open(browser, "Bob");
  await signIn(ada, "Ada");
  await signIn(bob, "Bob");
  await shows(ada, "#people", "Bob");
  await shows(bob, "#people", "Bob (you)");
  step("both are in and see each other");

  await say(ada, "Good morning! Has anybody tried the new extension yet?");
  await shows(bob, "#messages li", "Good morning!");
  step("messages arrive");

  await ada.locator("#text").pressSequentially("Well, I", { delay: 250 }); // told once in a second
  await shows(bob, "#typing", "Ada is typing");
  await ada.fill("#text", "");
  step("who is typing is shown");

  await ada.reload();
  await shows(ada, "#messages li.mine", "Good morning!");
  await shows(ada, "#state", "websocket");
  step("a reload keeps the name and brings the messages back");

  await say(bob, "I changed one import line, and it runs.");
  await say(ada, "Under gunicorn as well?");
  await say(bob, "Yes: gevent and threads, with real WebSockets on both.");
  await shows(ada, "#messages li", "on both");
  await ada.locator("#text").pressSequentially("Wonder", { delay: 250 });
  await shows(bob, "#typing", "Ada");
  await picture(bob, "flask_chat");
  await ada.fill("#text", "");
  const markup = '<img src=x onerror=alert(1)> <b>é 漢字 😀</b>';
  await say(bob, markup);
  await shows(ada, "#messages li", markup);
  await shows(bob, "#messages li.mine", markup);
  assert.strictEqual(await ada.locator("#messages img").count(), 0);
  step("markup stays text");

  await bob.setViewportSize({ width: 390, height: 700 });
  await picture(bob, "flask_chat_phone");
  assert.ok(await bob.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it is wider than a phone");
  step("it fits on a phone");

  console.log("restart, please");
  await Promise.all([ada, bob].map((page) => page.waitForFunction(() => !document.querySelector("#state.on"))));
  await say(ada, "said while the server was away");
  await Promise.all([ada, bob].map((page) => shows(page, "#state", "websocket")));
  await shows(bob, "#messages li", "said while the server was away");
  step("both come back by themselves, as who they were");

  await bob.click("text=Sign out");
  await bob.waitForSelector("#name");
  await ada.waitForFunction(() => !document.querySelector("#people").textContent.includes("Bob"));
  step("who signs out is gone");
  assert.deepStrictEqual(faults, []);
  step("no script failed");
}

async function main() {
  const browser = await chromium.launch({ executablePath, args: flags });
  try {
    await run(browser);
  } catch (error) {
    console.log(`not ok ${error.stack}`, faults);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

main();
