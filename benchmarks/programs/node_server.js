// Node's socket.io: node node_server.js PORT
const { createServer } = require("http");
const { Server } = require("socket.io");
const answers = require("./answers");

const httpServer = createServer();
const io = new Server(httpServer, {
  serveClient: false,
  maxHttpBufferSize: 4_000_000,
  pingInterval: 1000 * (process.env.PING_INTERVAL || 25),
});
answers(io);
httpServer.listen({ port: +process.argv[2], host: "127.0.0.1", backlog: 4096 });
