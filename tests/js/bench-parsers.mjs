// The official parsers on the event of crates/protocol/benches/codec.rs: time and heap per message, as a table.
// Run with --expose-gc and a young generation that holds a whole batch, so that no collection falls into one.
import { readFileSync } from "node:fs";
import { decodePacket, encodePacket } from "engine.io-parser";
import { Decoder, Encoder, PacketType } from "socket.io-parser";

const wire = readFileSync(new URL("../../crates/protocol/benches/event.txt", import.meta.url), "utf8");
const decoder = new Decoder();
const encoder = new Encoder();
let decoded;
decoder.on("decoded", (packet) => (decoded = packet));

function decode() {
  decoder.add(decodePacket(wire).data);
  return decoded.data;
}
const [name, notification, offset] = decode();
function encode() {
  const [data] = encoder.encode({ type: PacketType.EVENT, nsp: "/", data: [name, notification, offset] });
  let text;
  encodePacket({ type: "message", data }, true, (encoded) => (text = encoded));
  return text;
}
if (encode() !== wire) throw new Error("the event is not read back");

// Nanoseconds of one call, in each of many short samples: a busy machine leaves some of them undisturbed.
function times(work) {
  return Array.from({ length: 2_000 }, () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < 100; i++) work();
    return Number(process.hrtime.bigint() - start) / 100;
  });
}
// Bytes of heap that one call takes, in each of some long samples with no collection inside.
function heaps(work) {
  return Array.from({ length: 20 }, () => {
    globalThis.gc({ type: "minor" });
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 5_000; i++) work();
    return (process.memoryUsage().heapUsed - before) / 5_000;
  });
}
function measure(work) {
  for (let i = 0; i < 20_000; i++) work(); // until it is compiled
  const [time, heap] = [times(work), heaps(work)].map((samples) => samples.sort((a, b) => a - b));
  const ns = (time) => `${Math.round(time)} ns`;
  return { fastest: ns(time[0]), median: ns(time[1_000]), "heap bytes": Math.round(heap[10]) };
}
console.log(`engine.io-parser and socket.io-parser in Node.js ${process.version}, ${wire.length} bytes`);
console.table({ decode: measure(decode), encode: measure(encode) });
