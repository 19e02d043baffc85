// The official server with the behaviour of ../server.py: what passes here and fails there is our fault.
// Usage: node reference_server.js [recovery] [msgpack]
"use strict";
const { Server } = require("socket.io");

const io = new Server({
  allowEIO3: true,
  cors: { origin: "*" },
  connectionStateRecovery: process.argv.includes("recovery") ? {} : undefined,
  parser: process.argv.includes("msgpack") ? require("socket.io-msgpack-parser") : undefined,
});

function blob(seed, length) {
  return Buffer.from(Array.from({ length }, (_, i) => (seed + i) % 256));
}

// Lengths and sums of all binary in a value, in the order of their appearance: proof that the server saw bytes.
function measure(value, found = []) {
  if (Buffer.isBuffer(value)) found.push([value.length, value.reduce((sum, byte) => (sum + byte) % 65521, 0)]);
  else if (value && typeof value === "object") for (const key of Object.keys(value)) measure(value[key], found);
  return found;
}

function common(nsp) {
  nsp.on("connection", (socket) => {
    socket.on("echo", (...args) => args.pop()(...args));
    socket.on("repeat", (...args) => socket.emit("repeat", ...args));
    socket.on("where", (ack) => ack(nsp.name));
    socket.on("measure", (value, ack) => ack(measure(value)));
    socket.on("give_blob", (text) => {
      const value = { picture: blob(1, 1000), list: [blob(2, 3), { deep: blob(3, 300) }], text };
      socket.emit("blob", value, blob(4, 0));
    });
    socket.on("ask", (value, ack) => socket.emit("question", value, (...answer) => ack("answered", ...answer)));
    socket.on("ask_silent", (ack) => socket.timeout(200).emit("silence", (error) => ack(error ? "timeout" : "answer")));
    socket.on("never", () => {});
    socket.on("count", (number) => socket.emit("counted", number));
    socket.on("join", (room, ack) => { socket.join(room); ack(); });
    socket.on("leave", (room, ack) => { socket.leave(room); ack(); });
    socket.on("tell", (room, payload) => socket.to(room).emit("told", payload));
    socket.on("all", (payload) => nsp.emit("all", payload));
    socket.on("vote", (room, ack) => {
      nsp.to(room).timeout(2000).emit("vote", (error, votes) => ack(error ? "timeout" : votes.sort()));
    });
    socket.on("remember", (value, ack) => { socket.data.value = value; ack(); });
    socket.on("recall", (ack) => ack(socket.recovered, socket.data.value, [...socket.rooms].sort()));
    socket.on("tick", (room, count) => {
      let number = 0;
      const timer = setInterval(() => (number < count ? nsp.to(room).emit("tick", number++) : clearInterval(timer)), 5);
    });
    socket.on("kick", (close) => socket.disconnect(close));
    socket.on("cut", () => socket.conn.close());
    socket.on("disconnect", (reason) => {
      io.of("/observe").emit("gone", socket.handshake.query.name, nsp.name, reason);
    });
  });
}

common(io.of("/"));
common(io.of("/chat"));
common(io.of("/admin"));
io.of("/observe");
io.of("/admin").use((socket, next) => {
  const token = socket.handshake.auth.token || socket.handshake.query.token;
  if (token === "secret") return next();
  const refusal = new Error("not authorized");
  refusal.data = { code: 401, token: token === undefined ? null : token };
  next(refusal);
});
io.of("/admin").on("connection", (socket) => socket.on("auth", (ack) => ack(socket.handshake.auth)));

const http = require("http").createServer();
io.attach(http);
http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}`));
process.stdin.on("end", () => process.exit(0)).resume();
