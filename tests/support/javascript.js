// Runs pieces of JavaScript that javascript.py sends, with the official clients at hand.
// In: a line of JSON for each piece: {id, code, args}. Out: a line for each result: {id, value} or {id, error}.
"use strict";
const path = require("path");
const { io } = require("socket.io-client");
const msgpack = require("socket.io-msgpack-parser");
const WebSocket = dependency("socket.io-client", "engine.io-client", "ws");

const AsyncFunction = (async () => {}).constructor;
let open = []; // what to close when the test is over
let kept = {}; // what pieces of one test leave for each other

// The package that the packages before it use themselves, whose versions belong together.
function dependency(first, ...others) {
  const last = others.reduce((path, name) => require.resolve(name, { paths: [path] }), require.resolve(first));
  return require(last);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Values that JSON has no word for; the same as in javascript.py.
function plain(value) {
  if (value === undefined) return { $: "undefined" };
  if (typeof value === "number" && !Number.isFinite(value)) return { $: String(value) };
  if (Object.is(value, -0)) return { $: "-0" };
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString("base64") };
  if (ArrayBuffer.isView(value)) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  }
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof Error) return { $error: { message: value.message, data: plain(value.data) } };
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value;
}

function lively(value) {
  if (Array.isArray(value)) return value.map(lively);
  if (!value || typeof value !== "object") return value;
  if ("$bytes" in value) return Buffer.from(value.$bytes, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, lively(item)]));
}

// The arguments of the next event.
function once(emitter, event, ms = 8000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no "${event}" within ${ms} ms`)), ms);
    emitter.once(event, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });
}

async function until(condition, ms = 8000) {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${condition}`);
    await pause(5);
  }
}

// A client of its own connection that does not come back; its events are in socket.received, why it ended in .ended.
function dial(url, { nsp = "/", transport, ...options } = {}) {
  const socket = io(url + nsp, {
    forceNew: true,
    reconnection: false,
    transports: transport ? [transport] : ["polling", "websocket"],
    ...options,
    ...(options.parser === "msgpack" ? { parser: msgpack } : {}),
  });
  socket.received = [];
  socket.ended = [];
  socket.onAny((...event) => socket.received.push(event));
  socket.on("disconnect", (reason) => socket.ended.push(reason));
  open.push(() => socket.disconnect());
  return socket;
}

async function connect(url, options) {
  const socket = dial(url, options);
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  return socket;
}

// Resolves with the error that a connection is refused with.
async function refused(url, options) {
  const [error] = await once(dial(url, options), "connect_error");
  return error;
}

// A WebSocket of the package ws; its messages are in .received.
async function webSocket(url, options) {
  const socket = new WebSocket(url.replace("http", "ws"), options);
  socket.received = [];
  socket.on("message", (data, isBinary) => socket.received.push(isBinary ? data : data.toString()));
  open.push(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

// A page of a real browser, with the client's script in it.
async function browse(executablePath, url) {
  const { chromium } = require("playwright-core");
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
  if (!kept.browser) {
    const browser = (kept.browser = await chromium.launch({ executablePath, args }));
    open.push(() => browser.close());
  }
  const page = await (await kept.browser.newContext()).newPage();
  await page.goto(url);
  const folder = path.dirname(require.resolve("socket.io-client/package.json"));
  await page.addScriptTag({ path: path.join(folder, "dist", "socket.io.min.js") });
  return page;
}

const tools = { require, io, msgpack, WebSocket, dependency, pause, once, until, dial, connect, refused, webSocket, browse };

async function run({ id, code, args }) {
  const answer = { id };
  try {
    const names = { ...tools, kept, ...lively(args) };
    answer.value = plain(await new AsyncFunction(...Object.keys(names), code)(...Object.values(names)));
  } catch (error) {
    answer.error = (error && error.stack) || String(error);
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}

function reset() {
  open.forEach((close) => close());
  open = [];
  kept = {};
}

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => (line === "reset" ? reset() : run(JSON.parse(line))))
  .on("close", () => process.exit(0));
process.on("unhandledRejection", () => {}); // a piece that nobody waits for any more
