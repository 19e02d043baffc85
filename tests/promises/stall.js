// Official clients while a handler keeps the CPU. Usage: node stall.js URL SECONDS COUNT; exits with 1 if one is lost.
"use strict";
const io = require("socket.io-client");
const [url, seconds, count] = process.argv.slice(2);

function connected(socket) {
  return new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
}

(async () => {
  const sockets = Array.from({ length: Number(count) }, () =>
    io(url, { forceNew: true, reconnection: false, transports: ["websocket"] })
  );
  await Promise.all(sockets.map(connected));
  for (const socket of sockets) {
    socket.once("disconnect", (reason) => {
      console.log("lost:", reason);
      process.exit(1);
    });
  }
  const answer = await sockets[0].timeout(60000).emitWithAck("spin", Number(seconds));
  console.log("the handler is", answer);
  await new Promise((resolve) => setTimeout(resolve, 2100)); // the heartbeat, once more
  await Promise.all(sockets.map((socket) => socket.timeout(5000).emitWithAck("echo", 1)));
  for (const socket of sockets) socket.off("disconnect").disconnect();
})().catch((error) => {
  console.log(error);
  process.exit(1);
});
