// A plain page: connects with the official client and shows what arrives. Titles and messages are text, never HTML.
import { io } from "./socket.io.js";

const $ = (id) => document.getElementById(id);
const shown = 50;
let socket;
let unread = 0;
const items = new Map();

/** Demo users, if this gateway runs the demo; otherwise a token must be pasted. */
async function offerUsers() {
  const answer = await fetch("demo/users").catch(() => undefined);
  if (!answer?.ok) return;
  for (const user of await answer.json()) {
    const button = document.createElement("button");
    button.textContent = `${user.name} · ${user.role.toLowerCase()}`;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      for (const other of $("users").children) other.setAttribute("aria-pressed", String(other === button));
      // Asked anew at each connect, so that a token that has ended is replaced.
      connect(async () => (await fetch(`demo/token/${encodeURIComponent(user.userId)}`)).text());
    });
    $("users").append(button);
  }
}

function connect(getToken) {
  socket?.disconnect();
  forget();
  socket = io({
    auth: (answer) => getToken().then((token) => answer({ token }), () => answer({})),
    transports: ["websocket", "polling"],
    tryAllTransports: true,
    reconnectionDelayMax: 10_000,
  });
  say("trying", "Connecting…");
  socket.on("connect", () => {
    say("live", "Live");
    fault("");
    // The link may be held up by something that is over now.
    $("read-all").disabled = false;
  });
  socket.on("disconnect", () => say("trying", "Reconnecting…"));
  socket.on("connect_error", (error) => {
    // Refused for good: the official client does not try again by itself.
    if (!socket.active) {
      say("out", "Signed out");
      fault(error.message);
    }
  });
  socket.on("inbox:state", (state) => {
    count(state.unread);
    if (!state.recovered) reload();
  });
  socket.on("notification", (notification) => {
    if (items.has(notification.id)) return;
    items.set(notification.id, notification);
    count(unread + 1);
    show(notification.id);
  });
  socket.on("notification:read", ({ ids, upTo, unread }) => {
    const newest = upTo && items.get(upTo);
    for (const item of items.values()) {
      if (ids?.includes(item.id) || (newest && item.createdAt <= newest.createdAt)) item.isRead = true;
    }
    count(unread);
    show();
  });
  socket.on("notification:unread", ({ ids, unread }) => {
    for (const id of ids) if (items.has(id)) items.get(id).isRead = false;
    count(unread);
    show();
  });
}

function reload() {
  socket.emit("notification:list", { limit: shown }, (answer) => {
    if (!answer.ok) return fault(answer.error.message);
    items.clear();
    for (const item of answer.items.reverse()) items.set(item.id, item);
    count(answer.unread);
    show();
  });
}

function forget() {
  items.clear();
  count(0);
  show();
  fault("");
}

function say(state, words) {
  $("state").dataset.state = state;
  $("state").textContent = words;
}

function fault(words) {
  $("error").hidden = !words;
  $("error").textContent = words;
}

function count(n) {
  unread = n;
  $("unread").hidden = n === 0;
  $("unread").textContent = n > 9 ? "9+ unread" : `${n} unread`;
  document.title = n > 0 ? `(${n > 9 ? "9+" : n}) Carillon` : "Carillon";
}

function show(fresh) {
  const newestFirst = [...items.values()].reverse().slice(0, shown);
  $("list").replaceChildren(...newestFirst.map((item) => row(item, item.id === fresh)));
  $("empty").hidden = newestFirst.length > 0;
  if (socket && newestFirst.length === 0) $("empty").textContent = "No notifications yet.";
}

function row(item, isFresh) {
  const li = document.createElement("li");
  li.className = [item.isRead ? "" : "unread", isFresh ? "fresh" : ""].join(" ");
  const title = document.createElement("strong");
  title.textContent = item.title;
  title.classList.add(item.priority);
  const message = document.createElement("p");
  message.textContent = item.message;
  const about = document.createElement("small");
  about.textContent = `${item.type} · ${item.priority} · ${new Date(item.createdAt).toLocaleString()}`;
  li.append(title, message, about);
  return li;
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = $("token").value.trim();
  connect(async () => token);
});
$("read-all").addEventListener("click", () => {
  const newest = [...items.keys()].at(-1);
  if (!newest) return;
  // Up to the newest on screen, so that one that comes this instant stays unread.
  socket.timeout(5_000).emit("notification:read", { upTo: newest }, (late, answer) => {
    if (late || !answer.ok) return fault("Could not mark as read. Try again.");
    for (const item of items.values()) item.isRead = true;
    count(answer.unread);
    show();
  });
});
offerUsers();
