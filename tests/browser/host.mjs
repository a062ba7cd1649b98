// `groupcast serve` as a process, on a configuration file that a test writes: for what a sandbox has not, such as an
// identity provider, and directories that are declared in the file.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { program } from "./sandbox.mjs";

/** A port of this machine that is free now. */
export async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  await new Promise((ended) => server.close(ended));
  return port;
}

/** Serves on `port` with the files of a folder of its own, one of which is `groupcast.toml`. */
export async function serve(port, files) {
  const folder = mkdtempSync(path.join(tmpdir(), "groupcast-browser-"));
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content, { mode: 0o600 });
  const child = spawn(program, ["--config", path.join(folder, "groupcast.toml"), "serve"], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (text) => (said += text));
  child.stderr.on("data", (text) => (said += text));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = `http://127.0.0.1:${port}`;
  const until = Date.now() + 60_000;
  while (!(await answers(url))) {
    if (child.exitCode !== null || Date.now() > until) {
      child.kill("SIGKILL");
      throw new Error(`the host did not begin to serve: ${said}`);
    }
    await new Promise((later) => setTimeout(later, 100));
  }
  return {
    url,
    /** What it wrote to its log. */
    said: () => said,
    stop: async () => {
      child.kill("SIGINT");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function answers(url) {
  try {
    return (await fetch(`${url}/sign-in`)).ok;
  } catch {
    return false;
  }
}
