// A client of the official library loses its connection again and again, and misses nothing.
// Usage: node recovery.js URL polling|websocket|upgrade; the server has connection state recovery.
"use strict";
const assert = require("assert");
const { io } = require("socket.io-client");

const [url, mode] = process.argv.slice(2);
const COUNT = 300;
const socket = io(url, {
  transports: mode === "upgrade" ? ["polling", "websocket"] : [mode],
  reconnectionDelay: 20,
  reconnectionDelayMax: 50,
});
const ask = (event, ...args) =>
  new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`no answer to "${event}"`)), 8000).unref();
    socket.emit(event, ...args, (...answer) => resolve(answer));
  });
const next = (event) => new Promise((resolve) => socket.once(event, resolve));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Ends the connection as a network does, without a goodbye where the transport lets us, and waits for the next one.
function reconnect() {
  const back = next("connect");
  const transport = socket.io.engine.transport;
  if (transport.name === "websocket") transport.ws._socket.destroy();
  else socket.io.engine.close();
  return back;
}

async function main() {
  await next("connect");
  assert.strictEqual(socket.recovered, false);
  const enter = async () => {
    await ask("join", "ticks");
    await ask("remember", { answer: 42 });
  };
  await enter();
  const ticks = [];
  const all = new Promise((resolve) => socket.on("tick", (n) => ticks.push(n) === COUNT && resolve()));

  await reconnect(); // nothing came yet, so there is no offset: Node's server takes this client for a new one
  const early = socket.recovered;
  if (!early) await enter();
  const id = socket.id;

  socket.emit("tick", "ticks", COUNT);
  for (let i = 0; i < 4; i++) {
    await pause(150);
    await reconnect();
    assert.strictEqual(socket.recovered, true, `cut ${i}`);
    assert.strictEqual(socket.id, id);
  }
  await Promise.race([all, pause(8000)]);
  assert.deepStrictEqual(ticks, Array.from({ length: COUNT }, (_, i) => i));
  assert.deepStrictEqual(await ask("recall"), [true, { answer: 42 }, [id, "ticks"].sort()]);
  console.log(`ok ${COUNT} ticks came once and in order; recovered before the first: ${early}`);
}

main().then(() => process.exit(0), (error) => {
  console.log(`not ok ${error.stack}`);
  process.exit(1);
});
