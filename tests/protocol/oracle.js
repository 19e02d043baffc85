// The reference's parsers as an oracle: a request in JSON per line on stdin, its answer per line on stdout.
// Binary is {"$b": base64} in both directions.
const path = require("path");
const readline = require("readline");
const engine = require("engine.io-parser");
const engine3 = require(path.join(process.env.NODE_PATH, "engine.io", "build", "parser-v3", "index.js"));
const parsers = { default: require("socket.io-parser"), msgpack: require("socket.io-msgpack-parser") };

const isBinary = (value) => Buffer.isBuffer(value) || ArrayBuffer.isView(value);

function pack(value) {
  if (isBinary(value)) return { $b: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(pack);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pack(item)]));
  }
  return value;
}

function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value !== null && typeof value === "object") {
    if (typeof value.$b === "string") return Buffer.from(value.$b, "base64");
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item)]));
  }
  return value;
}

const operations = {
  encode: ({ parser, packet }) => new parsers[parser].Encoder().encode(packet),
  decode({ parser, messages }) {
    const decoder = new parsers[parser].Decoder();
    const packets = [];
    decoder.on("decoded", (packet) => packets.push(packet));
    messages.forEach((message) => decoder.add(message));
    return packets;
  },
  encodePayload({ packets }) {
    let body;
    engine.encodePayload(packets, (encoded) => (body = encoded));
    return body;
  },
  decodePayload: ({ body }) => engine.decodePayload(body),
  encodePayload3({ packets, binary }) {
    let body;
    engine3.encodePayload(packets, binary, (encoded) => (body = encoded));
    return body;
  },
  decodePayload3({ body }) {
    const packets = [];
    engine3.decodePayload(body, (packet) => void packets.push(packet));
    return packets;
  },
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const request = unpack(JSON.parse(line));
  let answer;
  try {
    answer = { result: pack(operations[request.op](request)) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
