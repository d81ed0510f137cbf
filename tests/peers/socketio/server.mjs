// A gateway such as one builds on the official server: Socket.IO with the Redis streams adapter and connection state
// recovery on, over the same routes and settings (by environment) as far as the fault tests use them of ours.
//
//   SOCKET_PORT, NODE_ID, REDIS_URL, JWT_SECRET, PUBLISH_KEYS (`name:key`)
//   POST /api/v1/notifications   201 once Redis has taken the notification, else 503
//   GET /readyz                  {status: "ready"}, or "degraded" while Redis is away
//
// It is given what serves it best:
// - A publish waits for the adapter: `io.to(room).emit()` hides whether Redis took it, so the adapter's `broadcast`, which
//   `emit` calls, is called here. It swallows errors too: what was taken can be told by the offset that it then appends.
// - A notification's id is the publisher's key, so that what was published twice can be told by its readers.
// - The stream is never trimmed within a test, and a node listens once it reads the stream.
// - The Redis client is the documented one, of the version that the adapter is tested with. It queues while Redis is away.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import jwt from "jsonwebtoken";
import { createClient } from "redis";
import { Server } from "socket.io";

const { SOCKET_PORT, NODE_ID, REDIS_URL, JWT_SECRET, PUBLISH_KEYS } = process.env;
const EVENT = 2;
const name = `${NODE_ID}-${process.pid}`;
const bearer = `Bearer ${PUBLISH_KEYS.slice(PUBLISH_KEYS.indexOf(":") + 1)}`;

const redis = createClient({ url: REDIS_URL, name, socket: { reconnectStrategy: 50 } });
redis.on("error", ({ message }) => console.error(`redis: ${message}`));
await redis.connect();

const http = createServer(serve);
const io = new Server(http, {
  adapter: createAdapter(redis, { maxLen: 1_000_000, readCount: 1_000 }),
  connectionStateRecovery: { maxDisconnectionDuration: 120_000 },
});

io.use((socket, next) => {
  try {
    socket.data.user = jwt.verify(socket.handshake.auth.token, JWT_SECRET, { algorithms: ["HS256"] });
    next();
  } catch {
    next(new Error("Invalid authentication token"));
  }
});

// A recovered socket has its rooms back by then.
io.on("connection", (socket) => {
  if (socket.recovered) return;
  const { userId, role } = socket.data.user;
  socket.join(["all", `role:${role.toLowerCase()}`, `user:${userId}`]);
});

async function serve(request, response) {
  const answer = (status, body) => {
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  };
  if (request.url === "/readyz") return answer(200, { status: redis.isReady ? "ready" : "degraded" });
  if (request.method !== "POST" || request.url !== "/api/v1/notifications") return answer(404, {});
  if (request.headers.authorization !== bearer) return answer(401, {});
  let text = "";
  for await (const chunk of request) text += chunk;
  const { to, ...notification } = JSON.parse(text);
  const id = request.headers["idempotency-key"];
  const packet = { type: EVENT, data: ["notification", { id, ...notification, createdAt: new Date() }] };
  await io.of("/").adapter.broadcast(packet, { rooms: new Set(to), except: new Set(), flags: {} });
  if (typeof packet.data.at(-1) !== "string") return answer(503, { code: "unavailable" });
  answer(201, { eventId: id, notifications: to.map((room) => ({ id, room })) });
}

// The adapter connects its reader by itself, and what is published before that reads would not be heard.
const isReading = async () => {
  const clients = await redis.sendCommand(["CLIENT", "LIST"]);
  return clients.split("\n").some((line) => line.includes(` name=${name} `) && line.includes(" cmd=xread "));
};
while (!(await isReading())) await sleep(10);

http.listen(Number(SOCKET_PORT), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}/`);
});
