// Drives official Socket.IO clients for the tests: one JSON command a line on stdin, one JSON report a line on stdout.
//
//   {cmd: "connect", client, url, options, version}   open a client (a number that the test chose) of the official
//                                                     package that package.json lists as `version`; `options.tokens`
//                                                     are given by an `auth` function, one after the other
//   {cmd: "emit", client, args: [event, …], ack?}     emit; with `ack` (a number) ask for an acknowledgement
//   {cmd: "disconnect", client}                       leave for good
//   {cmd: "cut", client}                              lose the transport, as a network would; the client comes back by itself
//   {cmd: "away", client}                             lose the transport and stay away
//   {cmd: "back", client}                             come back
//
//   {client, kind: "connect", sid, recovered, transport}
//   {client, kind: "connect_error", message, data}
//   {client, kind: "disconnect", reason}
//   {client, kind: "upgrade", transport}
//   {client, kind: "event", name, args}
//   {client, kind: "ack", ack, args}
//
// `url` may be a list: the nodes behind one name. Whoever loses one, or does not get in there, is sent to another.
//
// A client that was opened with `journal: "carillon"` is one of hundreds, and reports a line of a journal for each thing it is
// told (see src/journal.rs): [what, client, milliseconds, …].
//   ["c", client, at, recovered, transport]           connected
//   ["s", client, at, recovered, offset]              inbox:state
//   ["n", client, at, id, offset]                     notification
//   ["d", client, at, reason, null]                   disconnected
//   ["e", client, at, message, null]                  connect_error
// With `journal: "socketio"` it is a client of the official server, which has no inbox:state and whose offsets are ids of
// a Redis stream: connecting is both, and offsets are written as ours of a log of epoch 0.
import { createInterface } from "node:readline";

const sockets = new Map();
const report = (fields) => process.stdout.write(`${JSON.stringify(fields)}\n`);

// Journals are written once a turn of the loop: a write for each line would cost more than the clients do.
let lines = [];
const write = (...line) => {
  if (lines.push(JSON.stringify(line)) > 1) return;
  setImmediate(() => {
    process.stdout.write(`${lines.join("\n")}\n`);
    lines = [];
  });
};

// What a balancer does, told to the client before it comes back.
function roam(socket, urls) {
  let at = 0;
  const on = () => {
    at += 1 + Math.floor(Math.random() * (urls.length - 1));
    socket.io.uri = urls[at % urls.length];
  };
  socket.on("disconnect", on);
  socket.io.on("error", on);
}

const ours = (offset) => offset;

// "MILLISECONDS-NUMBER", in the order of both; nothing where the server could not store the event.
function streamed(offset = "0-0") {
  const [milliseconds, number] = offset.split("-").map(BigInt);
  return `0.${(milliseconds * 4096n + number).toString(36)}`;
}

const places = { carillon: ours, socketio: streamed };

function keepJournal(client, socket, place) {
  socket.on("connect", () => {
    write("c", client, Date.now(), socket.recovered === true, socket.io.engine.transport.name);
    if (place === streamed) write("s", client, Date.now(), socket.recovered === true, place());
  });
  socket.on("inbox:state", ({ recovered }, offset) => write("s", client, Date.now(), recovered, place(offset)));
  socket.on("notification", ({ id }, offset) => write("n", client, Date.now(), id, place(offset)));
  socket.on("disconnect", (reason) => write("d", client, Date.now(), reason, null));
  socket.on("connect_error", ({ message }) => write("e", client, Date.now(), message, null));
}

const commands = {
  async connect({ client, url, options: { tokens, ...options }, version, journal }) {
    const { io } = await import(version);
    if (tokens) options.auth = (give) => give({ token: tokens.length > 1 ? tokens.shift() : tokens[0] });
    // A manager of its own for each client, as each browser tab has; short delays so that a test need not wait.
    const urls = [url].flat();
    const socket = io(urls[0], { forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...options });
    sockets.set(client, socket);
    if (urls.length > 1) roam(socket, urls);
    if (journal) return keepJournal(client, socket, places[journal]);
    socket.on("connect", () => {
      const transport = socket.io.engine.transport.name;
      // Undefined where the server does not recover.
      const recovered = socket.recovered === true;
      report({ client, kind: "connect", sid: socket.id, recovered, transport });
    });
    socket.on("connect_error", ({ message, data, description }) => {
      // `description` is the HTTP status where the transport failed.
      const status = typeof description === "number" ? description : undefined;
      report({ client, kind: "connect_error", message, data: data ?? null, status });
    });
    socket.on("disconnect", (reason) => report({ client, kind: "disconnect", reason }));
    socket.onAny((name, ...args) => report({ client, kind: "event", name, args }));
    socket.io.on("open", () => {
      socket.io.engine.on("upgrade", ({ name }) => report({ client, kind: "upgrade", transport: name }));
    });
  },
  emit({ client, args, ack }) {
    const socket = sockets.get(client);
    if (ack === undefined) socket.emit(...args);
    else socket.emit(...args, (...answer) => report({ client, kind: "ack", ack, args: answer }));
  },
  disconnect({ client }) {
    sockets.get(client).disconnect();
  },
  cut({ client }) {
    sockets.get(client).io.engine.close();
  },
  away({ client }) {
    const { io } = sockets.get(client);
    io.reconnection(false);
    io.engine.close();
  },
  back({ client }) {
    const socket = sockets.get(client);
    socket.io.reconnection(true);
    socket.connect();
  },
};

// One after the other: a package is loaded before the next command speaks to its client.
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  await commands[command.cmd](command);
}
process.exit(0);
