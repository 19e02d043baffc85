// Official clients that count both ways while their transport is upgraded. Usage: node count.js URL CLIENTS EVENTS TRANSPORTS
// exits with 1 if a number is missing, doubled or out of order on either side.
"use strict";
const assert = require("assert");
const io = require("socket.io-client");
const [url, clients, events, transports] = process.argv.slice(2);

async function count() {
  const socket = io(url, { forceNew: true, reconnection: false, transports: transports.split(",") });
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  socket.once("disconnect", (reason) => assert.fail("lost: " + reason));
  const seen = [];
  const all = new Promise((resolve) => {
    socket.on("number", (n) => {
      seen.push(n);
      if (n === events - 1) resolve();
    });
  });
  socket.emit("count slowly", Number(events), 0.001);
  for (let n = 0; n < events; n++) {
    socket.emit("number", n);
    if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await all;
  await new Promise((resolve) =>
    socket.emit("numbers", (received, inOrder) => {
      assert.deepStrictEqual([received, inOrder], [Number(events), true]);
      resolve();
    })
  );
  assert.deepStrictEqual(seen, Array.from({ length: events }, (_, n) => n));
  const engine = socket.io.engine;
  while (engine.transport.name !== transports.split(",").pop()) await new Promise((resolve) => setTimeout(resolve, 20));
  socket.off("disconnect").disconnect();
}

Promise.all(Array.from({ length: clients }, count))
  .then(() => console.log("all counted"))
  .catch((error) => {
    console.log(error);
    process.exit(1);
  });
