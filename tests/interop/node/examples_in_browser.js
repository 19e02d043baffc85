// People in browser windows use the examples.
// Usage: node examples_in_browser.js EXAMPLE URL CHROMIUM [FOLDER FOR SCREENSHOTS]
// Prints "ok NAME" for each step; at "stop, please" it expects the server to go, at "start, please" to come back.
"use strict";
const assert = require("assert");
const { PATIENCE, PHONE, shows, step, until, work } = require("./browser.js");

async function dashboard(windows) {
  const curves = () => [...document.querySelectorAll("path:not(.area)")].map((curve) => curve.getAttribute("d").split("L").length);
  const wide = await windows.open("wide");
  await shows(wide, "#state", "live");
  await until(wide, () => document.querySelectorAll("figure").length === 4);
  await until(wide, `(${curves})().every((points) => points >= 6)`);
  step("the figures are plotted");

  const phone = await windows.open("phone", { viewport: PHONE });
  await until(phone, `(${curves})()[0] >= 6`);
  step("a late comer sees what was before");
  await shows(wide, "figure:nth-child(3) .now", "2");
  await shows(phone, "figure:nth-child(3) .now", "2");
  step("both pages are counted");

  await wide.hover("figure:nth-child(2) .plot", { position: { x: 380, y: 40 } });
  await wide.locator("figure:nth-child(1) .plot.reading").waitFor();
  step("pointing reads a value");
  await windows.picture(wide, "dashboard");
  await windows.picture(phone, "dashboard-phone");

  console.log("stop, please");
  await Promise.all([wide, phone].map((page) => shows(page, "#state", "trying again")));
  console.log("start, please");
  await Promise.all([wide, phone].map((page) => shows(page, "#state", "live")));
  await until(wide, `(${curves})().slice(0, 3).every((points) => points >= 3)`);
  step("the plots go on with the next server");
}

// Draws a line through the points, in parts of the board's width and height.
async function line(page, points) {
  const box = await page.locator("canvas").boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const point of points.slice(1)) await page.mouse.move(...at(point), { steps: 6 });
  await page.mouse.up();
}

async function whiteboard(windows) {
  // The colour that the board has there.
  const seen = (page, x, y) =>
    page.evaluate(([x, y]) => {
      const canvas = document.querySelector("canvas");
      const [red, green, blue, alpha] = canvas.getContext("2d").getImageData(x * 1600, y * 1000, 1, 1).data;
      return alpha ? `${red},${green},${blue}` : "";
    }, [x, y]);
  const shown = async (page, x, y, color) => {
    for (let left = 200 * PATIENCE; (await seen(page, x, y)) !== color; left--) {
      assert.ok(left, `at ${x}, ${y} is "${await seen(page, x, y)}" instead of "${color}"`);
      await page.waitForTimeout(50);
    }
  };
  const choose = (page, value) => page.locator(`label:has(input[value="${value}"])`).click();
  const RED = "220,38,38", BLUE = "37,99,235";

  const ada = await windows.open("Ada");
  const bob = await windows.open("Bob", { viewport: PHONE });
  await Promise.all([ada, bob].map((page) => until(page, () => document.querySelectorAll("#people li").length === 2)));
  step("they see each other");

  await choose(ada, "#dc2626");
  await choose(ada, "12");
  await line(ada, [[0.1, 0.2], [0.5, 0.2], [0.5, 0.6]]);
  await shown(bob, 0.3, 0.2, RED);
  await shown(bob, 0.5, 0.4, RED);
  step("what Ada draws, Bob sees");
  await choose(bob, "#2563eb");
  await choose(bob, "36");
  await line(bob, [[0.7, 0.3], [0.9, 0.8]]);
  await shown(ada, 0.8, 0.55, BLUE);
  step("what Bob draws, Ada sees");
  for (let x = 300; !(await bob.locator(".cursor:not([hidden])").count()); x = x === 300 ? 400 : 300) {
    await ada.mouse.move(x, 300); // one may be lost: they are volatile
    await ada.waitForTimeout(100);
  }
  step("Bob sees Ada's cursor");

  const late = await windows.open("Late");
  await shown(late, 0.3, 0.2, RED);
  await shown(late, 0.8, 0.55, BLUE);
  step("a late comer gets the picture");
  await ada.click("#undo");
  await shown(late, 0.3, 0.2, "");
  await shown(bob, 0.8, 0.55, BLUE);
  step("undo takes the own last stroke");
  await late.click("#clear");
  await Promise.all([ada, bob, late].map((page) => shown(page, 0.8, 0.55, "")));
  step("clear takes all");

  await choose(ada, "#dc2626");
  console.log("stop, please");
  await Promise.all([ada, bob].map((page) => shows(page, "#state:not([hidden])", "trying again")));
  await line(ada, [[0.1, 0.9], [0.4, 0.9]]);
  console.log("start, please");
  await Promise.all([ada, bob].map((page) => page.locator("#state").waitFor({ state: "hidden" })));
  await shown(bob, 0.25, 0.9, RED);
  await shown(ada, 0.25, 0.9, RED);
  step("what was drawn without a server arrives with the next one");
  if (windows.screenshots) await sketch(windows, ada, late);
}

// Something to look at, for the picture.
async function sketch(windows, ada, bob) {
  const arc = (x, y, size, from = 0, to = 2) =>
    Array.from({ length: 25 }, (_, i) => (from + ((to - from) * i) / 24) * Math.PI).map((angle) => [
      x + size * Math.cos(angle),
      y + size * 1.6 * Math.sin(angle),
    ]);
  const wave = (y, from = 0.52) => Array.from({ length: 36 }, (_, i) => [from + i * 0.0115, y + 0.018 * Math.sin(i / 1.6)]);
  const parts = {
    "#dc2626": [[[0.1, 0.5], [0.23, 0.3], [0.36, 0.5], [0.1, 0.5]]],
    "#1d2433": [[[0.13, 0.5], [0.13, 0.8], [0.33, 0.8], [0.33, 0.5]], [[0.2, 0.8], [0.2, 0.64], [0.26, 0.64], [0.26, 0.8]]],
    "#ea8a0c": [arc(0.84, 0.2, 0.055), ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => [arc(0.84, 0.2, 0.075)[i * 3], arc(0.84, 0.2, 0.1)[i * 3]])],
    "#16a34a": [arc(0.43, 0.54, 0.045), [[0.43, 0.61], [0.43, 0.8]], [[0.05, 0.8], [0.13, 0.8]], [[0.33, 0.8], [0.5, 0.8]]],
    "#2563eb": [wave(0.82), wave(0.88), wave(0.94)],
    "#9333ea": [[[0.6, 0.71], [0.82, 0.71], [0.78, 0.78], [0.64, 0.78], [0.6, 0.71]], [[0.7, 0.71], [0.7, 0.42], [0.8, 0.64], [0.7, 0.64]]],
  };
  await ada.click("#clear");
  for (const [color, strokes] of Object.entries(parts)) {
    const page = color < "#3" || color > "#d" ? ada : bob;
    await page.locator(`label:has(input[value="${color}"])`).click();
    await page.locator(`label:has(input[value="12"])`).click();
    for (const stroke of strokes) await line(page, stroke);
  }
  await until(ada, () => strokes.size >= 19);
  await bob.mouse.move(700, 320);
  await bob.waitForTimeout(300);
  await windows.picture(ada, "whiteboard");
}

async function devices(windows) {
  const say = async (page, text) => {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
  };
  const message = (page, text) => page.locator("#messages li", { hasText: text });
  const looks = (page, text, state) => message(page, text).locator("small", { hasText: state }).waitFor();

  const desk = await windows.open("Ada's desk", { at: "/?as=Ada" });
  const phone = await windows.open("Ada's phone", { at: "/", viewport: PHONE });
  await phone.click("#names button >> text=Ada");
  await Promise.all([desk, phone].map((page) => shows(page, "#me", "on 2 devices")));
  step("Ada is there with two devices");

  await say(desk, "Tea at four?");
  await looks(desk, "Tea at four?", "✓ sent");
  await looks(phone, "Tea at four?", "✓ sent");
  step("what is sent on one device is on the other");

  const bob = await windows.open("Bob", { at: "/?as=Bob" });
  await looks(bob, "Tea at four?", ":");
  await looks(phone, "Tea at four?", "✓✓ read");
  step("Bob was away, gets it, reads it, and all of Ada's devices show that");

  await bob.click("#peers button >> text=Cleo");
  await say(desk, "I bring cake");
  await looks(phone, "I bring cake", "✓✓ delivered");
  await shows(bob, "#peers i", "1");
  const other = await windows.open("Bob's other window", { at: "/?as=Bob", viewport: PHONE });
  await looks(desk, "I bring cake", "✓✓ read");
  await bob.locator("#peers i").waitFor({ state: "detached" });
  step("delivered and read are told apart, and what is read on one device is read on the other");
  await say(other, "Oh good, I am hungry");
  await looks(other, "hungry", "✓✓ read");
  await windows.picture(desk, "devices");
  await windows.picture(other, "devices-phone");

  const markup = "and <b>thirsty</b> <img src=x onerror=alert(1)>";
  await phone.context().setOffline(true);
  await phone.evaluate(() => socket.io.engine.transport.ws?.close() ?? socket.io.engine.close());
  await shows(phone, "#state:not(.on)", "");
  await say(bob, "for Cleo only");
  await say(other, markup);
  await message(desk, markup).waitFor();
  await phone.context().setOffline(false);
  await message(phone, markup).waitFor();
  await shows(phone, "#state", "nothing missed");
  assert.strictEqual(await message(phone, "for Cleo only").count(), 0);
  assert.strictEqual(await phone.locator("#messages img").count(), 0);
  step("a device that was cut off misses nothing, and sees markup as text and nothing of others");

  console.log("stop, please");
  await shows(desk, "#state", "trying again");
  await say(desk, "written without a server");
  await looks(desk, "written without a server", "sending");
  console.log("start, please");
  await looks(desk, "written without a server", "✓✓ read");
  assert.strictEqual(await message(other, "written without a server").count(), 1);
  step("what was written without a server arrives with the next one, once");
}

async function bottle(windows) {
  const votes = (page, drink, number) => shows(page, "#drinks button", new RegExp(`^${drink}${number}$`));
  const vote = (page, drink) => page.click(`#drinks button >> text=${drink}`);
  const ada = await windows.open("Ada");
  const bob = await windows.open("Bob", { viewport: PHONE });
  const again = await windows.open("Ada's other window", { context: ada.context() });
  await Promise.all([ada, bob].map((page) => votes(page, "Tea", 0)));
  await vote(ada, "Tea");
  await votes(bob, "Tea", 1);
  await vote(bob, "Water");
  await votes(ada, "Water", 1);
  await again.locator("button[aria-pressed=true]", { hasText: "Tea" }).waitFor();
  step("votes are counted in both browsers, and shown in both windows of one");
  await vote(again, "Coffee");
  await votes(bob, "Tea", 0);
  await votes(bob, "Coffee", 1);
  assert.deepStrictEqual(await bob.evaluate(async () => (await fetch("/result")).json()), { Coffee: 1, Tea: 0, Chocolate: 0, Water: 1 });
  step("a browser has one vote");
  const answer = await bob.evaluate(() => socket.emitWithAck("vote", { tea: true }));
  assert.ok(answer.error);
  for (const name of ["Cleo", "Dan"]) await vote(await windows.open(name), name === "Cleo" ? "Tea" : "Coffee");
  await votes(ada, "Coffee", 2);
  await ada.waitForTimeout(400); // the bars move
  await windows.picture(ada, "bottle");
  await windows.picture(bob, "bottle-phone");

  console.log("stop, please");
  await shows(ada, "#state:not(.on)", "");
  console.log("start, please");
  await shows(ada, "#state.on", "live");
  await votes(ada, "Coffee", 0);
  await vote(ada, "Tea");
  await votes(bob, "Tea", 1);
  step("with the next server the poll begins again, for the same voters");
}

async function cherrypy(windows) {
  const ada = await windows.open("Ada");
  const bob = await windows.open("Bob", { viewport: PHONE });
  await Promise.all([ada, bob].map((page) => shows(page, "#state.on", "live")));
  await ada.click("text=New report");
  await ada.locator("#reports progress").waitFor();
  const second = await windows.open("Ada's second window", { context: ada.context(), viewport: PHONE });
  await shows(second, "#reports small", /\d %/);
  step("a report of one window is seen in the other");
  await second.click("text=New report");
  await shows(ada, "#reports li:first-child b", "Report 2");
  await second.click("#reports li:first-child button");
  await shows(ada, "#reports .cancelled", "Report 2");
  step("the second is cancelled from the other window");
  await windows.picture(ada, "cherrypy");
  await shows(ada, "#reports .done", "Report 1");
  await shows(second, "#reports .done", "Report 1");
  assert.strictEqual(await bob.locator("#reports li").count(), 0);
  assert.ok((await bob.evaluate(() => socket.emitWithAck("cancel", 1))).error);
  assert.strictEqual(await ada.evaluate(() => socket.io.engine.transport.name), "websocket");
  step("the first gets done, and nobody else sees them");

  console.log("stop, please");
  await shows(ada, "#state:not(.on)", "");
  console.log("start, please");
  await shows(ada, "#state.on", "live");
  await ada.click("text=New report");
  await shows(ada, "#reports li b", "Report 1");
  step("CherryPy forgets its sessions in a restart; the page gets a new one and goes on");
}

async function django(windows) {
  const logIn = async (page, name, password) => {
    await page.fill("[name=username]", name);
    await page.fill("[name=password]", password);
    await page.click("button");
  };
  const pin = async (page, text) => {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
  };

  const ada = await windows.open("Ada");
  const refusal = await ada.evaluate(async () => {
    const { io } = await import("/socket.io/socket.io.esm.min.js");
    return new Promise((resolve) => io().on("connect_error", (error) => resolve([error.message, error.data])));
  });
  assert.deepStrictEqual(refusal, ["log in first", { url: "/login/" }]);
  step("without a session nobody gets in");

  await windows.picture(ada, "django-login");
  await logIn(ada, "ada", "wrong");
  await shows(ada, "[role=alert]", "correct username and password");
  await logIn(ada, "ada", "lovelace");
  await shows(ada, "#state.on", "live");
  const bob = await windows.open("Bob", { viewport: PHONE });
  await logIn(bob, "bob", "builder");
  await shows(ada, "#online", "Here: ada, bob");
  step("with Django's login both are in, by name");

  await pin(ada, "Cake in the kitchen <script>alert(1)</script>");
  await shows(bob, "#notices li", "Cake in the kitchen <script>alert(1)</script>");
  await pin(bob, "Can we have tea with it?");
  await shows(ada, "#notices li", "Can we have tea");
  await pin(ada, " ");
  await shows(ada, "#problem", "cannot be blank");
  step("notices arrive, as text; the model's rules answer");
  assert.deepStrictEqual(await ada.evaluate(async () => (await fetch("/online/")).json()), { users: ["ada", "bob"], sockets: 2 });
  step("a view asks the server");
  await windows.picture(bob, "django-phone");
  await ada.fill("#text", "");
  await windows.picture(ada, "django");

  console.log("stop, please");
  await shows(bob, "#state:not(.on)", "");
  console.log("start, please");
  await Promise.all([ada, bob].map((page) => shows(page, "#state.on", "live")));
  await shows(bob, "#notices li", "Cake in the kitchen");
  step("after a restart everybody is in again, and the notices are in the database");

  const second = await windows.open("Ada's second window", { context: ada.context() });
  await shows(second, "#state.on", "live");
  await second.click("form[action='/logout/'] button");
  await Promise.all([ada, second].map((page) => page.locator("[name=password]").waitFor()));
  await shows(bob, "#online", /^Here: bob$/);
  step("logging out in one window ends the other's connection, too");
}

// The server's tokens last some seconds only, and its secret stays the same.
async function jwt(windows) {
  const logIn = async (page, name, password) => {
    await page.fill("#name", name);
    await page.fill("#password", password);
    await page.click("#door button");
  };
  const log = (page, text) => shows(page, "#log li", text);

  const ada = await windows.open("Ada");
  await logIn(ada, "ada", "wrong");
  await shows(ada, "#problem", "are wrong");
  step("a wrong password is refused");
  await logIn(ada, "ada", "lovelace");
  await log(ada, "the server knows ada");
  const bob = await windows.open("Bob", { viewport: PHONE });
  await logIn(bob, "bob", "builder");
  await log(bob, "the server knows bob");
  step("both are in");

  await ada.fill("#text", "<b>Welcome</b>");
  await ada.click("#announce button");
  await log(bob, "ada announces: <b>Welcome</b>");
  assert.ok(await bob.locator("#announce").isHidden());
  const refusal = await bob.evaluate(() => new Promise((resolve) => {
    admin.once("connect_error", (error) => resolve([error.message, error.data]));
    admin.connect();
  }));
  assert.deepStrictEqual(refusal, ["admins only", { code: "forbidden" }]);
  step("only admins get into /admin");

  await log(ada, "asked for a new token, and has it");
  await windows.picture(ada, "jwt");
  await bob.uncheck("#renewing");
  await log(bob, "Disconnected: io server disconnect");
  await log(bob, "Refused: the token has expired");
  await log(bob, "Got a new token");
  assert.strictEqual(await ada.locator("#log li.bad").count(), 0);
  step("who renews stays; who does not is disconnected, refused, and comes back with a new token");

  const second = await windows.open("Ada's second window", { context: ada.context() });
  await log(second, "the server knows ada");
  step("another window is in by the cookie");

  console.log("stop, please");
  await shows(ada, "#state:not(.on)", "not connected");
  console.log("start, please");
  await log(ada, "Disconnected: transport close");
  await shows(ada, "#state.on", "connected");
  step("a restart of the server asks nobody to log in");

  await shows(second, "#state.on", "connected");
  await second.click("#out");
  await Promise.all([ada, second].map((page) => page.locator("#door").waitFor()));
  assert.strictEqual(await ada.evaluate(async () => (await fetch("/token", { method: "POST" })).status), 401);
  await shows(bob, "#state.on", "connected");
  step("logging out ends the login in both windows, and nobody else's");
}

const [example, ...rest] = process.argv.slice(2);
work({ bottle, cherrypy, dashboard, devices, django, jwt, whiteboard }[example], ...rest);
