// Puts the page together in dist/, which the binary carries: our own files as they are, and the official client's
// browser build beside them, so that the page asks no other origin for anything.
import { cp, mkdir, rm } from "node:fs/promises";

const dist = new URL("dist/", import.meta.url);
await rm(dist, { recursive: true, force: true });
await mkdir(dist);
await cp(new URL("src/", import.meta.url), dist, { recursive: true });
await cp(
  new URL("node_modules/socket.io-client/dist/socket.io.esm.min.js", import.meta.url),
  new URL("socket.io.js", dist),
);
