// A gateway such as one builds on the official server, on one node and without an adapter, over the same routes and
// settings (by environment) as the benches use of ours: SOCKET_PORT, JWT_SECRET, PUBLISH_KEYS (`name:key`).
//
// It is given what serves it best: recovery is off, which it would need memory for, and the backlog is one that no burst of
// connections fills. WebSockets are `ws` as it comes with socket.io.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import jwt from "jsonwebtoken";
import { Server } from "socket.io";

const { SOCKET_PORT, JWT_SECRET, PUBLISH_KEYS } = process.env;
const bearer = `Bearer ${PUBLISH_KEYS.slice(PUBLISH_KEYS.indexOf(":") + 1)}`;

const http = createServer(serve);
const io = new Server(http);

io.use((socket, next) => {
  try {
    const { userId, role } = jwt.verify(socket.handshake.auth.token, JWT_SECRET, { algorithms: ["HS256"] });
    socket.join(["all", `role:${role.toLowerCase()}`, `user:${userId}`]);
    next();
  } catch {
    next(new Error("Invalid authentication token"));
  }
});

function tell({ to, ...notification }) {
  const id = randomUUID();
  io.to(to).emit("notification", { id, ...notification, createdAt: new Date() });
  return { status: 201, eventId: id, notifications: to.map((room) => ({ id, room })) };
}

async function serve(request, response) {
  const answer = (status, body) => {
    const text = JSON.stringify(body);
    const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
    response.writeHead(status, headers).end(text);
  };
  if (request.url === "/readyz") return answer(200, { status: "ready" });
  if (request.method !== "POST" || !request.url.startsWith("/api/v1/notifications")) return answer(404, {});
  if (request.headers.authorization !== bearer) return answer(401, {});
  let text = "";
  for await (const chunk of request) text += chunk;
  const body = JSON.parse(text);
  if (request.url.endsWith("/batch")) return answer(207, { results: body.items.map(tell) });
  answer(201, tell(body));
}

http.listen({ port: Number(SOCKET_PORT), host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}/`);
});
