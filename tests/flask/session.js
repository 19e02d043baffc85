// What a client of documented.py sees: every step's outcome, as [name, value]. Run by JavaScript (tests/support).
// `url` is given. Ids differ from run to run, so none is in the outcome.
const outcome = [];
const step = (name, value) => outcome.push([name, value]);
const connected = async (options) => connect(url, options);
// What came to each client, of which so many events are expected: [[alice, 2], [bob, 0]] -> [[...], [...]].
async function came(...expected) {
  for (const [socket, count] of expected) await until(() => socket.received.length >= count);
  for (const [socket] of expected) await socket.timeout(5000).emitWithAck("nothing"); // nor does more come
  return expected.map(([socket]) => socket.received.splice(0));
}
const ask = (socket, ...event) => socket.timeout(5000).emitWithAck(...event);
// An answer may have several arguments: all of them.
const answers = (socket, ...event) => new Promise((resolve) => socket.emit(...event, (...args) => resolve(args)));

// Connecting
const alice = dial(url, { query: { page: "one" }, auth: { token: "good" } });
await once(alice, "connect");
step("connected", (await came([alice, 1]))[0]);
const bob = dial(url);
await once(bob, "connect");
step("second connected", await came([alice, 1], [bob, 1]));
for (const token of ["wrong", "banned", "plain"]) {
  const error = await refused(url, { auth: { token } });
  step(`refused: ${token}`, [error.message, error.data ?? null]);
}
step("unknown namespace", (await refused(url, { nsp: "/nobody" })) instanceof Error);

// Receiving and answering
alice.send("hello");
alice.emit("json", { a: 1 });
alice.emit("my_custom_event", 1, "two", [3]);
step("received", (await came([alice, 3]))[0].sort());
step("answers", [
  await answers(alice, "my event", { a: 1 }),
  await answers(alice, "my_custom_event", 1, 2, 3),
  await answers(alice, "nothing"),
  await answers(alice, "plain", [1]),
]);
await came([alice, 2]);
step("context", await ask(alice, "who am i"));
step("binary", await answers(alice, "binary", Buffer.from([1, 2, 3])));
step("bytes back", (await came([alice, 1]))[0]);

// The session is the client's own
await ask(alice, "paint", "blue");
step("painted", (await ask(alice, "who am i")).colour);
step("not bob's", (await ask(bob, "who am i")).colour);

// Sending
for (const event of ["broadcast", "others"]) {
  alice.emit(event, { event });
  step(event, await came([alice, event === "others" ? 0 : 1], [bob, 1]));
}
alice.emit("skip", bob.id, "x");
step("skip", await came([alice, 1], [bob, 0]));
alice.emit("tell", bob.id, "psst");
step("tell", await came([alice, 0], [bob, 2]));
alice.once("please answer", (data, callback) => callback("yes", data));
alice.emit("with callback", "well?");
await once(alice, "acknowledged");
step("callback", (await came([alice, 2]))[0]);
alice.once("question", (question, callback) => callback(question + "!"));
step("call", await ask(alice, "ask me", "ready"));
await came([alice, 1]);
alice.emit("background", 3);
step("background", (await came([alice, 3]))[0]);
const response = await fetch(`${url}/news/today`, { method: "POST" });
step("from a route", [response.status, await came([alice, 2], [bob, 2])]);

// Rooms
alice.emit("join", { username: "alice", room: "one" });
await came([alice, 1]);
bob.emit("join", { username: "bob", room: "one" });
step("joined", await came([alice, 1], [bob, 1]));
bob.emit("leave", { username: "bob", room: "one" });
step("left", await came([alice, 1], [bob, 0]));
alice.emit("close", "one");
step("closed", await came([alice, 1], [bob, 0]));

// Errors
step("error", await ask(alice, "fail", 5));
const test = await connected({ nsp: "/test" });
await until(() => test.received.splice(0).length);
step("default error", await ask(test, "fail", 5));

// Namespaces
alice.emit("elsewhere", 1);
test.emit("my event", 2);
await until(() => test.received.length === 2);
step("namespaces", [test.received.sort(), (await came([alice, 0]))[0]]);
const any = await connected({ nsp: "/any" });
step("catch-all", [await ask(any, "whatever", 1, 2), await ask(any, "special")]);
const early = await connected({ nsp: "/arrivals" });
await until(() => early.received.length === 5);
early.received.length = 0;
const late = await connected({ nsp: "/arrivals" });
await until(() => early.received.length === 3 && late.received.length === 5);
step("a connect handler sends", [early.received, late.received]);
const classy = await connected({ nsp: "/class" });
await until(() => classy.received.splice(0).length);
step("class", [await ask(classy, "my_event", "data"), classy.received.splice(0)]);
step("class error", await ask(classy, "fail"));
await ask(classy, "room", "r");
step("class room", classy.received.splice(0));
const careful = await connected({ nsp: "/careful", auth: { a: 1 } });
step("careful", [(await refused(url, { nsp: "/careful" })).message, await ask(careful, "odd-name", 7)]);

// Logging in by HTTP first
const entry = await fetch(`${url}/login/ada`);
const cookie = entry.headers.getSetCookie().map((header) => header.split(";")[0]).join("; ");
const ada = await connected({ extraHeaders: { cookie } });
const me = await ask(ada, "who am i");
step("logged in", [me.user, me.colour, await ask(ada, "secret", "why")]);
await ask(ada, "paint", "red");
const page = await (await fetch(`${url}/session`, { headers: { cookie } })).json();
step("forked session", [(await ask(ada, "who am i")).colour, page]);
bob.emit("secret", "why");
await once(bob, "disconnect");
step("thrown out", bob.ended);

// Leaving
alice.emit("leave me");
await once(alice, "disconnect");
step("left for good", alice.ended);
classy.disconnect();
ada.io.engine.close();
await until(async () => (await (await fetch(`${url}/seen`)).json()).seen.length >= 4);
step("seen", (await (await fetch(`${url}/seen`)).json()).seen.map(String).sort());
return outcome;
