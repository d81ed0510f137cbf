// One standard EventSource (the `eventsource` package, which takes headers) for the tests: what befalls it, one JSON
// report a line on stdout.
//
//   node eventsource.mjs URL TOKEN
//
//   {kind: "open"}
//   {kind: "error", status}                  the stream ended, or (with a status) was refused for good
//   {kind: "event", name, id, data}
import { EventSource } from "eventsource";

const [url, token] = process.argv.slice(2);
const report = (fields) => process.stdout.write(`${JSON.stringify(fields)}\n`);
const withToken = (input, init) => fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
const source = new EventSource(url, { fetch: withToken });
source.onopen = () => report({ kind: "open" });
source.onerror = ({ code }) => report({ kind: "error", status: code ?? null });
for (const name of ["inbox:state", "notification", "notification:read", "notification:unread"]) {
  source.addEventListener(name, ({ lastEventId, data }) => {
    report({ kind: "event", name, id: lastEventId, data: JSON.parse(data) });
  });
}
