// What the servers of the benchmarks answer, on Node and on Bun alike.
module.exports = (io) => {
  io.on("connection", (socket) => {
    socket.on("echo", (payload, ack) => ack(payload));
    socket.on("bcast", (payload) => io.emit("bcast", payload));
    socket.on("say", (room, payload) => io.to(room).emit("bcast", payload));
    socket.on("join", (rooms, ack) => {
      socket.join(rooms);
      ack(rooms.length);
    });
    socket.on("leave", (rooms, ack) => {
      for (const room of rooms) socket.leave(room);
      ack(rooms.length);
    });
    socket.on("sink", () => {});
  });
};
