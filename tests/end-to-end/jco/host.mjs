// A host for groupcast.wasm in plain JavaScript: our imports over memory, and credentials added to outgoing requests
// by origin, outside the component. What it keeps in maps, another engine keeps in any key-value store.
import { clocks, http, io } from "@bytecodealliance/preview2-shim";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";

const { job, folder } = workerData;
const PAGE = 1000;
const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const key = (...parts) => JSON.stringify(parts);

/** An error as the WIT has it: thrown values become the `err` of a result. */
const refuse = (place, message) => {
  throw { tag: "permanent-host", val: { message, place, vendor: undefined } };
};

/** Entries of a map in key order after a mark, and the mark of the next page. */
function page(entries, after) {
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1)).filter(([k]) => after === undefined || k > after);
  const items = sorted.slice(0, PAGE);
  return { items: items.map(([, value]) => value), next: sorted.length > PAGE ? items.at(-1)[0] : undefined };
}

// groupcast:sync/plan-sink and plan-source: the bytes are kept as they came.
const parts = [];
const planSink = {
  put(part) {
    parts.push(Buffer.from(part));
  },
};
let approved = [];
const planSource = {
  next: () => approved.shift(),
};
const planHash = () => sha256("groupcast-plan/1\n" + parts.map((part) => sha256(part) + "\n").join(""));

// groupcast:sync/ledger
const bindings = new Map();
const memberships = new Map();
const intents = new Map();
let lastIntent = 0n;

function take(effects) {
  for (const { tag, val } of effects) {
    if (tag === "bind") bindings.set(val.group, val);
    else if (tag === "unbind") bindings.delete(val);
    else if (tag === "put-membership") memberships.set(key(val.group, val.target, val.principal), val);
    else if (tag === "drop-membership") memberships.delete(key(val.group, val.target, val.principal));
    else refuse("ledger", `the effect ${tag} is not known; this host is older than the component`);
  }
}

const ledger = {
  bindings: (after) => page([...bindings], after),
  memberships: (group, after) =>
    page(
      [...memberships].filter(([, membership]) => membership.group === group),
      after,
    ),
  intend(list) {
    const ids = [];
    for (const intent of list) {
      lastIntent += 1n;
      intents.set(lastIntent, { id: lastIntent, run: job.run.id, intent });
      ids.push(lastIntent);
    }
    return BigUint64Array.from(ids);
  },
  settle(outcomes) {
    for (const outcome of outcomes) {
      if (!intents.delete(outcome.intent)) refuse("ledger.settle", `intent ${outcome.intent} is not open`);
      take(outcome.effects);
    }
  },
  amend: take,
  unsettled: (after) => [...intents.values()].filter(({ id }) => id > after).slice(0, PAGE),
};

// groupcast:sync/state
const values = new Map();
const state = {
  get: (name) => values.get(name),
  put(name, value, expected) {
    if (values.get(name)?.version !== expected) return undefined;
    const version = (expected ?? 0n) + 1n;
    values.set(name, { value: Uint8Array.from(value), version });
    return version;
  },
};

// groupcast:sync/progress
const progress = {
  report() {},
  log: (level, message) => process.stderr.write(`${level}: ${message}\n`),
};

// wasi:http: the shim's, with the origin's credential added once the request has left the component's hands.
const bytes = (value) => new TextEncoder().encode(value);
const outgoingHandler = {
  handle(request, options) {
    const scheme = request.scheme()?.tag === "HTTP" ? "http" : "https";
    const credential = job.credentials[`${scheme}://${request.authority()}`];
    if (credential === undefined) throw { tag: "HTTP-request-denied" };
    const fields = request.headers();
    const entries = fields.entries.bind(fields);
    fields.entries = () => [...entries(), ...credential.map(([name, value]) => [name, bytes(value)])];
    return http.outgoingHandler.handle(request, options);
  },
};

const imports = {
  "wasi:io/error": io.error,
  "wasi:io/poll": io.poll,
  "wasi:io/streams": io.streams,
  "wasi:clocks/monotonic-clock": clocks.monotonicClock,
  "wasi:clocks/wall-clock": clocks.wallClock,
  "wasi:http/types": http.types,
  "wasi:http/outgoing-handler": outgoingHandler,
  "groupcast:sync/plan-sink": planSink,
  "groupcast:sync/plan-source": planSource,
  "groupcast:sync/ledger": ledger,
  "groupcast:sync/state": state,
  "groupcast:sync/progress": progress,
  "groupcast:sync/types": {},
};

const plain = (value) =>
  JSON.parse(JSON.stringify(value, (_, item) => (typeof item === "bigint" ? Number(item) : item)));

try {
  const { instantiate } = await import(join(folder, "groupcast.js"));
  // One fresh instance a call, as in the bundled host.
  const fresh = () =>
    instantiate((name) => new WebAssembly.Module(readFileSync(join(folder, name))), imports).directorySync;
  const run = { ...job.run, seed: BigInt(job.run.seed) };
  const summary = fresh().plan(run);
  const hash = planHash();
  let report;
  if (job.apply) {
    approved = [...parts];
    report = fresh().apply(run);
  }
  parentPort.postMessage(
    plain({
      hash,
      parts: parts.map((part) => JSON.parse(part.toString())),
      summary,
      report,
      ledger: { bindings: [...bindings.values()], memberships: [...memberships.values()] },
    }),
  );
} catch (error) {
  const payload = error?.payload ?? error;
  parentPort.postMessage({ error: payload instanceof Error ? payload.stack : plain(payload) });
}
