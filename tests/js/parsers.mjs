// Reads packets with the official parsers, for the differential test: one JSON case a line on stdin, one JSON verdict
// a line on stdout, in the same order. Bytes are {b64}.
//
//   {layer: "engine", parts: [text]}            one WebSocket text message
//   {layer: "payload", parts: [text]}           one polling body
//   {layer: "socket", parts: [text | {b64}, …]} one client's messages, without their Engine.IO type
//
//   {packets: [{type, nsp?, id?, data?}, …], error?, pending}   until the first error; `id` as the text of a number,
//                                                               `data` as JSON in a string
import { readFileSync } from "node:fs";
import { decodePacket, decodePayload } from "engine.io-parser";
import { Decoder } from "socket.io-parser";

const bytes = (value) => ({ b64: value.toString("base64") });
// A Buffer has a `toJSON` of its own, which has run before the replacer sees the value: hence `this[key]`.
function replacer(key, value) {
  return Buffer.isBuffer(this[key]) ? bytes(this[key]) : value;
}
// A lone surrogate, written by JSON.stringify as an escape, is no text to the reader of this.
const wellFormed = (json) => json.replace(/\\(\\|ud[89a-f][0-9a-f]{2})/g, (found) => (found === "\\\\" ? found : "\ufffd"));
const text = (data) => (data === undefined ? undefined : wellFormed(JSON.stringify(data, replacer)));

const engine = (read) => {
  const packets = read.map(({ type, data }) => ({ type, data: text(data) }));
  const error = packets.at(-1).type === "error" ? packets.pop().data : undefined;
  return { packets, error, pending: false };
};

const layers = {
  engine: ([text]) => engine([decodePacket(text)]),
  payload: ([text]) => engine(decodePayload(text)),
  socket(parts) {
    const packets = [];
    const decoder = new Decoder();
    decoder.on("decoded", ({ type, nsp, id, data }) => {
      packets.push({ type, nsp, id: id === undefined ? undefined : String(id), data: text(data) });
    });
    let error;
    for (const part of parts) {
      try {
        decoder.add(typeof part === "string" ? part : Buffer.from(part.b64, "base64"));
      } catch (thrown) {
        error = thrown.message;
        break;
      }
    }
    return { packets, error, pending: error === undefined && decoder.reconstructor != null };
  },
};

const lines = readFileSync(0, "utf8").trimEnd().split("\n");
for (const line of lines) {
  const { layer, parts } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(layers[layer](parts))}\n`);
}
