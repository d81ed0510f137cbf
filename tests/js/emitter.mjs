// A Node back end with the official Redis emitter, driven by the tests: one JSON command a line on stdin, one JSON answer a
// line on stdout, once Redis has it all.
//
//   node emitter.mjs URL
//
//   {cmd: "emit", rooms?, except?, volatile?, event, args}   emit; the answer is how many subscribers Redis has told
//   {cmd: "disconnect" | "join", rooms?, except?}            the emitter's utility methods
//   {cmd: "stream", room, count, everyMs}                    `notification`s with ids and titles from 0
//   {cmd: "ask", request}                                    what a Node server does: a request, and as many answers as there are
//                                                            servers; the answer is a list of them
//
// In `args`, {$date: ms}, {$bytes: [0, …]} and {$undefined: true} stand for what JSON has not.
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";

const redis = createClient({ url: process.argv[2] });
await redis.connect();
let published = [];
const emitter = new Emitter({
  publish(channel, message) {
    published.push(redis.publish(channel, message));
  },
});

function revive(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(revive);
  if ("$date" in value) return new Date(value.$date);
  if ("$bytes" in value) return Buffer.from(value.$bytes);
  if ("$undefined" in value) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
}

const to = ({ rooms = [], except = [] }) => emitter.to(rooms).except(except);

const commands = {
  async emit({ rooms, except, volatile, event, args }) {
    const operator = to({ rooms, except });
    (volatile ? operator.volatile : operator).emit(event, ...args.map(revive));
  },
  async disconnect(audience) {
    to(audience).disconnectSockets(true);
  },
  async join(audience) {
    to(audience).socketsJoin("elsewhere");
  },
  async stream({ room, count, everyMs }) {
    for (let n = 0; n < count; n += 1) {
      emitter.to(room).emit("notification", { id: `stream-${n}`, type: "NOTE", title: `${n}`, message: "m" });
      await setTimeout(everyMs);
    }
  },
  async ask({ request }) {
    const subscriber = redis.duplicate();
    await subscriber.connect();
    const answers = [];
    const servers = (await redis.pubSubNumSub(["socket.io-request#/#"]))["socket.io-request#/#"];
    await new Promise((resolve) => {
      const hear = (answer) => answers.push(JSON.parse(answer)) === Number(servers) && resolve();
      subscriber.subscribe("socket.io-response#/#", hear).then(() => {
        redis.publish("socket.io-request#/#", JSON.stringify(request));
      });
    });
    await subscriber.close();
    return answers;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const answer = await commands[command.cmd](command);
  const told = await Promise.all(published);
  published = [];
  process.stdout.write(`${JSON.stringify(answer ?? told.reduce((sum, n) => sum + Number(n), 0))}\n`);
}
process.exit(0);
