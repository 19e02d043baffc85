// Two people in two browser windows use the chat of examples/chat.
// Usage: node chat_in_browser.js URL CHROMIUM [FOLDER FOR SCREENSHOTS]
// Prints "ok NAME" for each step; after "restart, please" it expects the server to go and to come back.
"use strict";
const assert = require("assert");
const path = require("path");
const zlib = require("zlib");
const { chromium } = require("playwright-core");

const [url, executablePath, screenshots] = process.argv.slice(2);
const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const faults = [];

// A PNG of one colour, larger than one frame of the upgrade's first packets.
function png(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (width * 3 + 1)).map((_, i) => (i % (width * 3 + 1) ? (i * 7) % 256 : 0));
  const parts = [chunk("IHDR", header), chunk("IDAT", zlib.deflateSync(rows, { level: 0 })), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), ...parts]);
}

function crc32(buffer) {
  let crc = ~0;
  for (const byte of buffer) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

async function enter(browser, nickname) {
  const page = await (await browser.newContext({ viewport: { width: 900, height: 640 } })).newPage();
  page.setDefaultTimeout(15000);
  page.on("pageerror", (error) => faults.push(`${nickname}: ${error.stack}`));
  page.on("dialog", () => faults.push(`${nickname}: a script of a message ran`));
  await page.goto(url);
  await page.fill("#nickname", nickname);
  await page.click("#door button");
  await page.waitForSelector("#chat:not([hidden])");
  return page;
}

const shows = (page, selector, text) => page.locator(selector, { hasText: text }).first().waitFor();
const state = (page, text) => shows(page, "#state", text);

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

async function picture(page) {
  await page.locator("#messages img").last().waitFor();
  return page.locator("#messages img").last().evaluate(async (image) => {
    await image.decode();
    return [image.naturalWidth, image.naturalHeight];
  });
}

async function run(browser) {
  const step = (name) => console.log(`ok ${name}`);
  const alice = await enter(browser, "Alice");
  const bob = await enter(browser, "Bob");
  await Promise.all([state(alice, "connected"), state(bob, "connected")]);
  step("both are connected");

  await Promise.all([state(alice, "websocket"), state(bob, "websocket")]);
  step("both are upgraded to WebSocket");

  await shows(alice, "#people", "Bob");
  await shows(bob, "#people", "Alice");
  step("they see each other");

  await alice.type("#text", "hm");
  await shows(bob, "#typing", "Alice is typing");
  step("Bob sees that Alice is typing");

  const markup = "Hi <img src=x onerror=alert(1)> <b>é 漢字 😀</b>";
  await say(alice, markup);
  await shows(bob, "#messages li", markup);
  await shows(alice, "#messages li.mine", markup);
  assert.strictEqual(await bob.locator("#messages li img").count(), 0);
  step("a message arrives, and its markup stays text");

  await bob.setInputFiles("#file", { name: "p.png", mimeType: "image/png", buffer: png(300, 200) });
  assert.deepStrictEqual(await picture(alice), [300, 200]);
  assert.deepStrictEqual(await picture(bob), [300, 200]);
  step("a picture arrives whole");

  await bob.setInputFiles("#file", { name: "p.png", mimeType: "image/png", buffer: Buffer.from("<svg onload=alert(1)>") });
  await shows(bob, "#messages li.note", "Only PNG");
  step("what is no picture is refused");
  if (screenshots) await alice.screenshot({ path: path.join(screenshots, "chat.png") });

  await bob.fill("#room", "attic");
  await bob.press("#room", "Enter");
  await alice.waitForFunction(() => !document.querySelector("#people").textContent.includes("Bob"));
  await say(alice, "only for the lobby");
  await say(bob, "only for the attic");
  await shows(bob, "#messages li.mine", "attic");
  await shows(alice, "#messages li.mine", "only for the lobby");
  assert.strictEqual(await alice.locator("#messages li", { hasText: "attic" }).count(), 0);
  assert.strictEqual(await bob.locator("#messages li", { hasText: "only for the lobby" }).count(), 0);
  step("rooms keep apart");

  console.log("restart, please");
  await Promise.all([alice, bob].map((page) => page.waitForFunction(() => !document.querySelector("#state.on"))));
  step("both notice that the server is gone");
  await say(alice, "said while the server was away");
  await Promise.all([state(alice, "websocket"), state(bob, "websocket")]);
  step("both are connected again");
  await shows(alice, "#messages li.mine", "said while the server was away");
  step("what Alice said meanwhile was kept");

  await bob.fill("#room", "lobby");
  await bob.press("#room", "Enter");
  await shows(alice, "#people", "Bob");
  await say(bob, "back again");
  await shows(alice, "#messages li", "back again");
  step("the chat goes on");
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
