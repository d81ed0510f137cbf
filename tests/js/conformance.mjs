// Holds a conformance server against the official clients: `node conformance.mjs MODE URL TOKEN [CLIENT]`.
// Each check runs over polling alone, a WebSocket alone, and polling that upgrades. Exit code 1 names what failed.
import assert from "node:assert/strict";
import { Socket as Engine } from "engine.io-client";

// Which official client: an alias of package.json.
const [mode, url, token, version = "socket.io-client"] = process.argv.slice(2);
const { io } = await import(version);
const WAYS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };
const PATIENCE = 10_000;

// What an emitter says next under this name; a failure to come is an error.
const next = (emitter, name) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} came`)), PATIENCE);
    emitter.once(name, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });

const engine = async (transports, query) => {
  const socket = new Engine(url, { transports, query });
  const messages = [];
  const waiting = [];
  socket.binaryType = "nodebuffer";
  socket.on("message", (data) => (waiting.length ? waiting.shift()(data) : messages.push(data)));
  socket.heard = () => messages.shift() ?? new Promise((resolve) => waiting.push(resolve));
  socket.ask = (data) => (socket.send(data), socket.heard());
  await next(socket, "open");
  return socket;
};

const client = (transports, namespace = "", options = {}) =>
  io(url + namespace, { transports, forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...options });

const connected = async (transports, namespace, options) => {
  const socket = client(transports, namespace, options);
  await next(socket, "connect");
  const { engine } = socket.io;
  if (engine.transport.name !== transports.at(-1)) await next(engine, "upgrade");
  return socket;
};

// Emits, and awaits the event that answers.
const answer = (socket, name, ...event) => {
  const heard = next(socket, name);
  socket.emit(...event);
  return heard;
};

/** The acknowledgement of an event, in a way that every version knows. */
const asks = (socket, ...args) =>
  new Promise((resolve, reject) => {
    setTimeout(reject, PATIENCE, new Error(`no answer to ${args[0]}`)).unref();
    socket.emit(...args, resolve);
  });

const suites = {
  async engine(transports) {
    const socket = await engine(transports);
    if (transports.length === 2) await next(socket, "upgrade");
    assert.equal(await socket.ask("hello € 😀"), "hello € 😀");
    assert.deepEqual(await socket.ask(Buffer.from([0, 1, 30, 255])), Buffer.from([0, 1, 30, 255]));
    const long = "x".repeat(900_000);
    assert.equal(await socket.ask(long), long);
    // Three heartbeats later it still lives.
    for (let beat = 0; beat < 3; beat++) await next(socket, "ping");
    assert.equal(await socket.ask("still"), "still");
    socket.close();
  },

  async "engine-client"(transports) {
    const socket = await engine(transports);
    assert.equal(await socket.heard(), "hi");
    if (transports.length === 2) await next(socket, "upgrade");
    assert.equal(await socket.ask("echo"), "echo");
    assert.deepEqual(await socket.ask("give binary"), Buffer.from([0, 1, 2, 3, 4]));
    assert.equal(await socket.ask("give utf8"), "пойду спать всем спокойной ночи");
    if (transports.join() === "polling") {
      const headers = JSON.parse(await socket.ask("sendHeaders"));
      assert.equal(headers["content-type"], "text/plain;charset=UTF-8");
    }
    socket.close();
    const denied = new Engine(url, { transports, query: { deny: 1 } });
    const [error] = await next(denied, "error");
    if (transports[0] === "polling") assert.equal(error.description, 403);
  },

  async socket(transports) {
    const auth = { token: "123" };
    const socket = client(transports, "", { auth });
    const greeted = next(socket, "auth");
    await next(socket, "connect");
    assert.deepEqual(await greeted, [auth]);
    assert.deepEqual(await answer(socket, "message-back", "message", 1, "2", { 3: [true] }), [1, "2", { 3: [true] }]);
    const bytes = Buffer.from([1, 2, 3]);
    assert.deepEqual(await answer(socket, "message-back", "message", bytes, { b: bytes }), [bytes, { b: bytes }]);
    const acked = await new Promise((resolve) => socket.emit("message-with-ack", 1, bytes, (...args) => resolve(args)));
    assert.deepEqual(acked, [1, bytes]);
    const custom = socket.io.socket("/custom", { auth: undefined });
    custom.connect();
    assert.deepEqual(await next(custom, "auth"), [{}]);
    const [error] = await next(client(transports, "/random"), "connect_error");
    assert.equal(error.message, "Invalid namespace");
    socket.io._close();
  },

  async client(transports) {
    const socket = await connected(transports, "", { query: { key1: "&=bar", key2: "é" }, auth: { a: "b" } });
    const ask = (...args) => asks(socket, ...args);
    const bytes = Buffer.from("asdfasdf");
    assert.equal((await answer(socket, "hi", "hi")).length, 1, "the offset alone");
    for (const value of [null, 5, "x", { a: [bytes, "b"] }, bytes]) assert.deepEqual(await ask("echo", value), value);
    const gotIt = next(socket, "got it");
    socket.once("ack", (done) => done(5, { test: true }));
    socket.emit("ack");
    await gotIt;
    assert.ok(!Number.isNaN(Date.parse(await ask("getAckDate", { test: true }))));
    assert.equal(typeof (await answer(socket, "takeDate", "getDate"))[0], "string");
    assert.equal(typeof (await answer(socket, "takeDateObj", "getDateObj"))[0].date, "string");
    const texts = [];
    const all = new Promise((resolve) => socket.on("takeUtf8", (text) => texts.push(text) === 5 && resolve()));
    socket.emit("getUtf8");
    await all;
    const last = "utf8 — string";
    assert.deepEqual(texts, ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", last, last]);
    assert.equal((await answer(socket, "false", "false"))[0], false);
    assert.deepEqual((await answer(socket, "doge", "doge"))[0], bytes);
    assert.deepEqual((await answer(socket, "takebin", "getbin"))[0], bytes);
    await answer(socket, "buffack", "buffa", bytes);
    await answer(socket, "jsonbuff-ack", "jsonbuff", { hello: "lol", message: bytes, goodbye: "gotcha" });
    socket.emit("abuff1", bytes);
    await answer(socket, "abuff2-ack", "abuff2");
    const seen = await ask("getHandshake");
    assert.deepEqual([seen.query.key1, seen.query.key2, seen.auth, seen.secure], ["&=bar", "é", { a: "b" }, false]);
    assert.ok(seen.headers.host && seen.url.startsWith("/socket.io/") && seen.issued > 0 && seen.address);
    assert.equal(await ask("getId"), socket.id);

    const foo = await connected(transports, "/foo");
    assert.equal(await asks(foo, "getId"), foo.id);
    const [handshake] = await next(client(transports, "/abc?b=c"), "handshake");
    assert.equal(handshake.query.b, "c");
    for (const [nsp, options, message] of [
      ["", { query: { fail: true } }, "Auth failed (main namespace)"],
      ["/no", {}, "Auth failed (custom namespace)"],
      ["/doesnotexist", {}, "Invalid namespace"],
    ]) {
      const [error] = await next(client(transports, nsp, options), "connect_error");
      assert.equal(error.message, message);
    }
    for (const nsp of ["/timeout_socket", "/valid", "/asd"]) await connected(transports, nsp);

    // Connection state recovery, after a lost link; clients know of it from 4.6 on.
    if (!("recovered" in socket)) return;
    const { id } = socket;
    socket.io.engine.close();
    await next(socket, "connect");
    assert.deepEqual([socket.id, socket.recovered], [id, true]);
  },

  async battery(transports) {
    const options = { auth: { token } };
    const ask = asks;
    const [error] = await next(client(transports), "connect_error");
    assert.deepEqual([error.message, error.data.code], ["Authentication token missing", "token_missing"]);

    const [one, two] = [await connected(transports, "", options), await connected(transports, "", options)];
    const bytes = Buffer.from([7, 8]);
    assert.deepEqual(await ask(one, "echo", { b: bytes }), { b: bytes });
    const back = await answer(one, "echo-event-back", "echo-event", 1, bytes);
    assert.deepEqual(back.slice(0, 2), [1, bytes]);
    const asked = next(one, "srv-ask");
    const result = next(one, "srv-ask-result");
    one.emit("ask-me", "why", bytes);
    const [why, binary, reply] = await asked;
    assert.deepEqual([why, binary], ["why", bytes]);
    reply("because", bytes);
    assert.deepEqual((await result).slice(0, 2), ["because", bytes]);
    assert.deepEqual(new Set(await ask(one, "rooms")), new Set([one.id, "user:ann", "role:PATIENT"]));
    assert.equal((await ask(one, "info")).user, "ann");

    const publish = (room, event, more) =>
      ask(one, "publish", { nsp: "/", room, event, args: [room], ...more });
    const heard = next(two, "news");
    await publish("user:ann", "news");
    assert.equal((await heard)[0], "user:ann");
    assert.deepEqual(await publish("user:nobody", "news"), { reached: 0 });
    const quick = next(two, "quick");
    // No string at its end: the client would take it for an offset.
    await publish(two.id, "quick", { args: [1], volatile: true });
    assert.deepEqual(await quick, [1]);

    if ("recovered" in two) await recovers(one, two);
    for (const close of [false, true]) {
      const kicked = await connected(transports, "", options);
      const over = next(kicked, "disconnect");
      const { id } = kicked;
      kicked.emit("kick", close);
      assert.equal((await over)[0], "io server disconnect");
      assert.equal(await ask(one, "reason-of", id), "server namespace disconnect");
    }
  },
};

// What is published while a client is away is there when it comes back, once and in order.
async function recovers(one, two) {
  const missed = [];
  two.on("missed", (room) => missed.push(room));
  const away = two.id;
  two.io.reconnectionDelay(300);
  two.emit("drop");
  await next(two, "disconnect");
  while ((await asks(one, "reason-of", away)) === null);
  assert.equal(await asks(one, "reason-of", away), "transport error");
  for (const room of ["user:ann", "user:nobody", "role:PATIENT"]) {
    await asks(one, "publish", { nsp: "/", room, event: "missed", args: [room] });
  }
  await next(two, "connect");
  assert.deepEqual([two.id, two.recovered], [away, true]);
  await asks(two, "echo", 0);
  assert.deepEqual(missed, ["user:ann", "role:PATIENT"]);
}

for (const [way, transports] of Object.entries(WAYS)) {
  try {
    await suites[mode](transports);
  } catch (error) {
    console.error(`${mode} over ${way}: ${error.stack}`);
    process.exit(1);
  }
}
process.exit(0);
