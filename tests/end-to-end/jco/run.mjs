// Transpiles the component and runs one plan, and the apply of it, in a worker thread. A job is one JSON document on
// standard input; the answer is one on standard output.
//
// job: { component: path, run: WIT run with a decimal `seed`, apply: boolean, credentials: { origin: [[name, value], ...] } }
// answer: { hash, parts: [...], summary, report, ledger: { bindings, memberships } } or { error }
//
// NODE_EXTRA_CA_CERTS names the certificate to trust beside the system's own.
import { transpileBytes } from "@bytecodealliance/jco-transpile";
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

const here = dirname(fileURLToPath(import.meta.url));
const job = JSON.parse(await text(process.stdin));

const { files } = await transpileBytes(await readFile(job.component), {
  name: "groupcast",
  instantiation: { tag: "sync" },
  noTypescript: true,
  // No validation of lifted values is worth its time here: the component is ours.
  validLiftingOptimization: true,
});
// Below this folder, so that the transpiled module finds the packages installed here.
const folder = await mkdtemp(join(here, "node_modules", ".groupcast-"));
for (const [name, bytes] of files instanceof Map ? files : Object.entries(files)) {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), bytes);
}

// A worker of its own: the component's calls block their thread while it waits for answers.
const worker = new Worker(new URL("./host.mjs", import.meta.url), { workerData: { job, folder } });
const answer = await new Promise((resolve) => {
  worker.once("message", resolve);
  worker.once("error", (error) => resolve({ error: String(error?.stack ?? error) }));
});
process.stdout.write(JSON.stringify(answer));
await rm(folder, { recursive: true, force: true });
process.exit(0);
