import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

import tailwindcss from "@tailwindcss/vite";
import { defineConfig, type Plugin } from "vite";

/** Leaves a compressed twin beside each text file: the gateway sends it as it is and compresses nothing itself. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir = "dist" }) {
      const names = (await readdir(dir)).filter((name) => /\.(html|js|css|svg|txt)$/.test(name));
      await Promise.all(
        names.map(async (name) => {
          const file = join(dir, name);
          await writeFile(`${file}.gz`, await promisify(gzip)(await readFile(file), { level: 9 }));
        }),
      );
    },
  };
}

export default defineConfig({
  plugins: [tailwindcss(), compressed()],
  build: {
    target: "es2022",
    // The page's policy allows no data: addresses, and nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The notices of what is bundled, which its licences ask for; the page names the file.
    license: { fileName: "licenses.txt" },
    rolldownOptions: {
      onLog: (level, log, report) => {
        // "use client" is for frameworks that render on a server; here all is the client's.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") report(level, log);
      },
      output: {
        // Names without a hash: the binary embeds them by name, and an ETag keeps browsers current.
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
  server: {
    proxy: {
      "/api": "http://127.0.0.1:5000",
      "/demo/": "http://127.0.0.1:5000",
      "/socket.io": { target: "http://127.0.0.1:5000", ws: true },
    },
  },
});
