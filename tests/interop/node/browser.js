// What the scripts share that work a page in a real browser.
"use strict";
const path = require("path");
const { chromium } = require("playwright-core");

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--hide-scrollbars",
];
const PATIENCE = Number(process.env.SOCKETIO_SYNC_TEST_SCALE || 1); // as the tests' time limits
const DESKTOP = { width: 960, height: 640 };
const PHONE = { width: 390, height: 780 };

// A browser with a window for each person. What goes wrong in a page is in .faults.
class Windows {
  constructor(browser, url, screenshots) {
    Object.assign(this, { browser, url, screenshots, faults: [] });
  }

  // A window of its own (its own cookies), or one more of the `context` of a page.
  async open(name, { at = "/", viewport = DESKTOP, context } = {}) {
    const page = await (context ?? (await this.browser.newContext({ viewport, deviceScaleFactor: 1 }))).newPage();
    page.setDefaultTimeout(15000 * PATIENCE);
    page.on("pageerror", (error) => this.faults.push(`${name}: ${error.stack}`));
    page.on("dialog", (dialog) => {
      this.faults.push(`${name}: a script of a message ran`);
      dialog.dismiss();
    });
    await page.goto(this.url + at);
    return page;
  }

  async picture(page, name) {
    if (this.screenshots) await page.screenshot({ path: path.join(this.screenshots, `${name}.png`) });
  }
}

// Runs `scenario(windows)`; prints "not ok" and exits with 1 if it throws, or a page had a fault.
async function work(scenario, url, executablePath, screenshots) {
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const windows = new Windows(browser, url, screenshots);
  try {
    await scenario(windows);
    if (windows.faults.length) throw new Error(windows.faults.join("\n"));
  } catch (error) {
    console.log(`not ok ${error.stack}`, windows.faults);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

const step = (name) => console.log(`ok ${name}`);
// Waits until an element of the page has the text.
const shows = (page, selector, text) => page.locator(selector, { hasText: text }).first().waitFor();
// Waits until a function, run in the page, returns something true.
const until = (page, condition, argument) => page.waitForFunction(condition, argument);

module.exports = { PATIENCE, PHONE, shows, step, until, work };
