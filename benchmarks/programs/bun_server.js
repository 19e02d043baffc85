// socket.io on Bun's own engine: bun bun_server.js PORT
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import answers from "./answers";

const io = new Server();
const engine = new Engine({
  path: "/socket.io/",
  maxHttpBufferSize: 4_000_000,
  pingInterval: 1000 * (process.env.PING_INTERVAL || 25),
});
io.bind(engine);
answers(io);

export default { port: +process.argv[2], hostname: "127.0.0.1", idleTimeout: 60, ...engine.handler() };
