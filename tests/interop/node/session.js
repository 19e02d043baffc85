// A scripted session of an official client with the server of ../server.py or reference_server.js.
// Usage: node session.js URL LIBRARY polling|kept|websocket|upgrade [msgpack]
// "kept" is polling as browsers do it: a TCP connection outlives its request.
// Prints "ok NAME" for each step that holds, "not ok NAME" with the reason for the others; exits with 1 if there is one.
"use strict";
const assert = require("assert");
const fs = require("fs");
const path = require("path");

const [url, library, wanted, parser] = process.argv.slice(2);
const mode = wanted === "kept" ? "polling" : wanted;
const agent = wanted === "kept" ? new (require("http").Agent)({ keepAlive: true }) : undefined;
const io = require(library);
const major = Number(version(library).split(".")[0]);
const minor = Number(version(library).split(".")[1]);
const open = new Set();
let serial = 0;

function version(name) {
  let folder = path.dirname(require.resolve(name));
  for (;;) {
    const file = path.join(folder, "package.json");
    const found = fs.existsSync(file) && JSON.parse(fs.readFileSync(file)).version;
    if (found) return found;
    folder = path.dirname(folder);
  }
}

function once(emitter, event, ms = 8000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no "${event}" within ${ms} ms`)), ms);
    emitter.once(event, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });
}

function ask(socket, event, ...args) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer to "${event}"`)), 8000);
    socket.emit(event, ...args, (...answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

// A client of its own connection; its name is in the query so that the server can say who left, and why.
function dial(nsp = "/", { token, ...options } = {}) {
  const name = `client${process.pid}-${++serial}`;
  const query = { name };
  if (token !== undefined && major < 3) query.token = token;
  const socket = io(url + nsp, {
    forceNew: true,
    reconnection: false,
    agent,
    transports: mode === "upgrade" ? ["polling", "websocket"] : [mode],
    query,
    auth: token === undefined ? {} : { token },
    parser: parser === "msgpack" ? require("socket.io-msgpack-parser") : undefined,
    ...options,
  });
  socket.clientName = name;
  open.add(socket);
  return socket;
}

async function connected(nsp, options) {
  const socket = dial(nsp, options);
  const failed = once(socket, major < 3 ? "error" : "connect_error", 1e9).then(([error]) => {
    throw error instanceof Error ? error : new Error(`refused: ${JSON.stringify(error)}`);
  });
  await Promise.race([once(socket, "connect"), failed]);
  return socket;
}

async function settled(nsp, options) {
  const socket = await connected(nsp, options);
  const engine = socket.io.engine;
  if (mode === "upgrade" && engine.transport.name !== "websocket") await once(engine, "upgrade");
  return socket;
}

async function observer() {
  return connected("/observe");
}

function goneEvent(watcher, socket) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the server noticed no disconnect")), 8000);
    watcher.on("gone", (name, nsp, reason) => {
      if (name !== socket.clientName) return;
      clearTimeout(timer);
      resolve(reason);
    });
  });
}

// Runs `action` on a fresh client and compares the reasons both sides give for its end.
async function reasons(action, clientReason, serverReason) {
  const watcher = await observer();
  const socket = await settled();
  const atServer = goneEvent(watcher, socket);
  const atClient = once(socket, "disconnect");
  action(socket);
  assert.strictEqual((await atClient)[0], clientReason);
  assert.strictEqual(await atServer, serverReason);
}

function bytes(seed, length) {
  return Buffer.from(Array.from({ length }, (_, i) => (seed + i) % 256));
}

function sum(buffer) {
  return buffer.reduce((total, byte) => (total + byte) % 65521, 0);
}

const LARGE = parser === "msgpack" ? 1e-300 : 1e300; // the msgpack parser loses whole numbers past 64 bits
const JSON_VALUES = [
  null, true, false, 0, -1, 1.5, LARGE, 9007199254740991, "", "text", "é ü 漢字 😀", 'quote " backslash \\ newline \n',
  "\u2028\u2029\u0000", [], {}, [[], [{}]], { "": 1, "a b": [1, { c: null }] }, "42[\"not a packet\"]",
];

const steps = {
  "connects, with an id and the transport asked for": async () => {
    const socket = await settled();
    assert.ok(socket.connected);
    assert.ok(/^[\w-]{20}$/.test(socket.id), socket.id);
    assert.strictEqual(socket.io.engine.transport.name, mode === "polling" ? "polling" : "websocket");
  },
  "values come back as they went": async () => {
    const socket = await settled();
    assert.deepStrictEqual(await ask(socket, "echo", ...JSON_VALUES), JSON_VALUES);
    for (const value of JSON_VALUES) assert.deepStrictEqual(await ask(socket, "echo", value), [value]);
    assert.deepStrictEqual(await ask(socket, "echo"), []);
    const repeated = once(socket, "repeat");
    socket.emit("repeat", ...JSON_VALUES);
    assert.deepStrictEqual(await repeated, JSON_VALUES);
  },
  "the server asks and the client answers": async () => {
    const socket = await settled();
    socket.on("question", (value, ack) => ack(value, { answer: [value] }, "three"));
    assert.deepStrictEqual(await ask(socket, "ask", 42), ["answered", 42, { answer: [42] }, "three"]);
    const many = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(socket, "ask", i)));
    assert.deepStrictEqual(many.map((answer) => answer[1]), Array.from({ length: 20 }, (_, i) => i));
  },
  "the server stops waiting for a silent client": async () => {
    const socket = await settled();
    assert.deepStrictEqual(await ask(socket, "ask_silent"), ["timeout"]);
  },
  "binary travels to the server nested in arrays and objects": async () => {
    const socket = await settled();
    const value = { a: [bytes(7, 10), { b: bytes(9, 256) }], c: bytes(1, 0), text: "between" };
    assert.deepStrictEqual(await ask(socket, "echo", value, bytes(5, 5)), [value, bytes(5, 5)]);
    const [found] = await ask(socket, "measure", value);
    assert.deepStrictEqual(found, [[10, sum(bytes(7, 10))], [256, sum(bytes(9, 256))], [0, 0]]);
  },
  "binary travels from the server nested in arrays and objects": async () => {
    const socket = await settled();
    const arrived = once(socket, "blob");
    const text = major === 1 ? "e" : "é"; // the 1.x clients misread "é" beside binary in one poll, whoever serves it
    socket.emit("give_blob", text);
    assert.deepStrictEqual(await arrived, [
      { picture: bytes(1, 1000), list: [bytes(2, 3), { deep: bytes(3, 300) }], text }, bytes(4, 0),
    ]);
  },
  "an acknowledgement of the client carries binary": async () => {
    const socket = await settled();
    socket.on("question", (value, ack) => ack([{ value }], bytes(1, 99)));
    assert.deepStrictEqual(await ask(socket, "ask", bytes(3, 3)), ["answered", [{ value: bytes(3, 3) }], bytes(1, 99)]);
  },
  "300 kB go both ways, as text and as bytes": async () => {
    const socket = await settled();
    const text = "0123456789é".repeat(25000);
    assert.deepStrictEqual(await ask(socket, "echo", text), [text]);
    const data = bytes(3, 300000);
    assert.deepStrictEqual(await ask(socket, "echo", data), [data]);
  },
  "1000 numbered events stay in order, across the upgrade too": async () => {
    const socket = await connected();
    const seen = [];
    const all = new Promise((resolve) => socket.on("counted", (n) => seen.push(n) === 1000 && resolve()));
    for (let i = 0; i < 1000; i++) {
      socket.emit("count", i);
      if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Promise.race([all, once(socket, "disconnect", 8000)]);
    assert.deepStrictEqual(seen, Array.from({ length: 1000 }, (_, i) => i));
  },
  "rooms: those in it hear, the sender and the others do not": async () => {
    const [alice, bob, carol] = await Promise.all([settled(), settled(), settled()]);
    await Promise.all([ask(alice, "join", "r"), ask(bob, "join", "r")]);
    const wrong = [];
    alice.on("told", () => wrong.push("alice"));
    carol.on("told", () => wrong.push("carol"));
    const heard = once(bob, "told");
    alice.emit("tell", "r", { picture: bytes(1, 10) });
    assert.deepStrictEqual(await heard, [{ picture: bytes(1, 10) }]);
    await ask(bob, "leave", "r");
    bob.on("told", () => wrong.push("bob"));
    alice.emit("tell", "r", "nobody");
    await Promise.all([ask(alice, "echo"), ask(bob, "echo"), ask(carol, "echo")]);
    assert.deepStrictEqual(wrong, []);
  },
  "a broadcast reaches everybody, with binary": async () => {
    const clients = await Promise.all([settled(), settled(), settled()]);
    const heard = Promise.all(clients.map((client) => once(client, "all")));
    clients[0].emit("all", [bytes(2, 2000), "text"]);
    for (const args of await heard) assert.deepStrictEqual(args, [[bytes(2, 2000), "text"]]);
  },
  "a broadcast collects the answers": async () => {
    const clients = await Promise.all([settled(), settled(), settled()]);
    const room = `vote${process.pid}`;
    clients.forEach((client, i) => client.on("vote", (ack) => ack(i * 10)));
    await Promise.all(clients.map((client) => ask(client, "join", room)));
    assert.deepStrictEqual(await ask(clients[0], "vote", room), [[0, 10, 20]]);
  },
  "namespaces share one connection and keep apart": async () => {
    const root = await settled();
    const chat = root.io.socket("/chat");
    await once(chat, "connect");
    assert.deepStrictEqual(await ask(root, "where"), ["/"]);
    assert.deepStrictEqual(await ask(chat, "where"), ["/chat"]);
    const wrong = [];
    root.on("told", () => wrong.push("root"));
    await ask(chat, "join", "r");
    const other = await settled("/chat");
    const heard = once(chat, "told");
    other.emit("tell", "r", bytes(1, 4));
    assert.deepStrictEqual(await heard, [bytes(1, 4)]);
    const left = once(chat, "disconnect");
    chat.disconnect();
    await left;
    assert.deepStrictEqual(await ask(root, "where"), ["/"]);
    assert.deepStrictEqual(wrong, []);
  },
  "a namespace that refuses says why, with data": async () => {
    const socket = dial("/admin", { token: "guess" });
    const [error] = await once(socket, major < 3 ? "error" : "connect_error");
    if (major < 3) return assert.deepStrictEqual(error, { code: 401, token: "guess" });
    assert.strictEqual(error.message, "not authorized");
    assert.deepStrictEqual(error.data, { code: 401, token: "guess" });
    assert.ok(!socket.connected);
  },
  "a namespace that asks for a token lets the right one in": async () => {
    const socket = await settled("/admin", { token: "secret" });
    assert.deepStrictEqual(await ask(socket, "where"), ["/admin"]);
    if (major >= 3) assert.deepStrictEqual(await ask(socket, "auth"), [{ token: "secret" }]);
  },
  "an unknown namespace is refused": async () => {
    const socket = dial("/nowhere");
    const [error] = await once(socket, major < 3 ? "error" : "connect_error");
    assert.strictEqual(error.message, "Invalid namespace");
  },
  "the client disconnects": () => reasons((socket) => socket.disconnect(), "io client disconnect", "client namespace disconnect"),
  "the client closes the connection": () => reasons((socket) => socket.io.engine.close(), "forced close", "transport close"),
  "the server disconnects the socket": () =>
    reasons((socket) => socket.emit("kick", false), "io server disconnect", "server namespace disconnect"),
  "the server disconnects and closes": () =>
    reasons((socket) => socket.emit("kick", true), "io server disconnect", "server namespace disconnect"),
  "the server closes the connection": () => reasons((socket) => socket.emit("cut"), "transport close", "forced close"),
  "the client is back after a cut, as a new socket": async () => {
    const socket = await settled("/", { reconnection: true, reconnectionDelay: 10 });
    const before = socket.id;
    const back = once(socket, "disconnect").then(() => once(socket, "connect"));
    socket.emit("cut");
    await back;
    assert.notStrictEqual(socket.id, before);
    assert.deepStrictEqual(await ask(socket, "where"), ["/"]);
  },
};

if (mode !== "polling") {
  steps["the client's connection breaks"] = () =>
    reasons((socket) => socket.io.engine.transport.ws._socket.destroy(), "transport close", "transport close");
}
if (major > 4 || (major === 4 && minor >= 6)) {
  steps["the client stops waiting for a silent server"] = async () => {
    const socket = await settled();
    await assert.rejects(socket.timeout(100).emitWithAck("never"), /operation has timed out/);
    assert.deepStrictEqual(await socket.timeout(5000).emitWithAck("echo", 1, 2), 1);
  };
}

async function main() {
  let failures = 0;
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
      console.log(`ok ${name}`);
    } catch (error) {
      failures++;
      console.log(`not ok ${name}: ${error.stack}`);
    }
    for (const socket of open) socket.disconnect();
    open.clear();
  }
  console.log(`${Object.keys(steps).length - failures} of ${Object.keys(steps).length} steps hold`);
  process.exit(failures ? 1 : 0);
}

main();
