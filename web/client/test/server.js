// A real server in a process of its own, for tests.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Start a server as a demo, where tokens are for the asking. */
export async function startServer({ port = 0, data = mkdtempSync(join(tmpdir(), "tideline-")) } = {}) {
  const python = process.env.PYTHON ?? new URL("../../../.venv/bin/python", import.meta.url).pathname;
  const child = spawn(python, ["-m", "tideline", "serve", "--demo", `--port=${port}`, `--data=${data}`, "--no-scene"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TIDELINE_LOG_LEVEL: "error" },
  });
  /** @type {string} */
  const url = await new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    child.stdout.on("data", (chunk) => {
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(String(chunk));
      if (found) resolve(found[0]);
    });
  });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  return {
    url,
    data,
    port: Number(new URL(url).port),
    /** @param {string} user */
    async token(user) {
      const answer = await fetch(`${url}/v1/demo/token`, { method: "POST", body: JSON.stringify({ user }) });
      return (await answer.json()).token;
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    async stop() {
      child.kill("SIGTERM");
      await exited;
      rmSync(data, { recursive: true, force: true });
    },
  };
}
