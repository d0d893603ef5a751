// How large the client is on the wire: as it is served (module by module), and as an application would bundle it.

import { build } from "esbuild";
import { readdirSync, readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const source = new URL("src/", import.meta.url);
const modules = readdirSync(source).map((name) => readFileSync(new URL(name, source)));
const served = modules.reduce((sum, text) => sum + gzipSync(text, { level: 9 }).length, 0);
const { outputFiles } = await build({
  entryPoints: [new URL("index.js", source).pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const bundle = outputFiles[0].contents;
console.log(`modules as served, gzip      ${served} bytes in ${modules.length} files`);
console.log(`bundle, minified             ${bundle.length} bytes`);
console.log(`bundle, minified, gzip       ${gzipSync(bundle, { level: 9 }).length} bytes`);
console.log(`bundle, minified, brotli     ${brotliCompressSync(bundle).length} bytes`);
