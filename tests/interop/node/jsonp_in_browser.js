// Old clients in a real browser over JSONP, which no other place has: the script of 2.5 (protocol 3) and of 3.1 (protocol 4).
// Usage: node jsonp_in_browser.js URL CHROMIUM
"use strict";
const assert = require("assert");
const path = require("path");
const { chromium } = require("playwright-core");

const [url, executablePath] = process.argv.slice(2);
const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const TEXT = 'quote " \\" backslash \\n newline \n tab \t \u2028 \u2029 </script> é 漢字 😀';

// Runs in the page.
async function talk([url, text]) {
  const socket = io(url, { transports: ["polling"], forceJSONP: true, forceNew: true });
  const next = (event) => new Promise((resolve) => socket.once(event, (...args) => resolve(args)));
  await next("connect");
  const ask = (...args) => new Promise((resolve) => socket.emit(...args, (...answer) => resolve(answer)));
  const repeated = next("repeat");
  socket.emit("repeat", text, { list: [1, null] });
  const result = { echo: await ask("echo", text), repeated: await repeated, many: [] };
  for (let i = 0; i < 20; i++) result.many.push((await ask("echo", i))[0]);
  result.jsonp = socket.io.engine.transport.query.j !== undefined;
  const gone = next("disconnect");
  socket.emit("kick", false);
  result.reason = (await gone)[0];
  return result;
}

async function main() {
  const browser = await chromium.launch({ executablePath, args: flags });
  try {
    for (const library of ["socket.io-client-2", "socket.io-client-3"]) {
      const page = await browser.newPage();
      const faults = [];
      page.on("pageerror", (error) => faults.push(error.stack));
      await page.addScriptTag({ path: path.join(path.dirname(require.resolve(`${library}/package.json`)), "dist/socket.io.js") });
      const result = await page.evaluate(talk, [url, TEXT]);
      assert.deepStrictEqual(result, {
        echo: [TEXT], repeated: [TEXT, { list: [1, null] }], many: Array.from({ length: 20 }, (_, i) => i), jsonp: true,
        reason: "io server disconnect",
      });
      assert.deepStrictEqual(faults, []);
      console.log(`ok ${library}`);
    }
  } catch (error) {
    console.log(`not ok ${error.stack}`);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

main();
