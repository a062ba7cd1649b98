// `groupcast sandbox --console` as a process: its console, and what its simulated vendors hold.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import https from "node:https";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";

/** The program. */
export const program = process.env.GROUPCAST ?? fileURLToPath(new URL("../../target/debug/groupcast", import.meta.url));

/** Starts a sandbox; `empty`: with simulated vendors and a store in which there is no tenant yet; `options`: more of them. */
export async function start({ empty = false, options = [] } = {}) {
  const child = spawn(program, ["--json", "sandbox", "--console", ...(empty ? ["--empty"] : []), ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (text) => (errors += text));
  const told = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (line) => resolve(JSON.parse(line)));
    child.once("exit", (code) => reject(new Error(`the sandbox ended with ${code}: ${errors}`)));
    child.once("error", reject);
  });
  const ca = readFileSync(told.ca_file);
  const ask = (method, path, body) =>
    new Promise((resolve, reject) => {
      const request = https.request(`${told.google}/_simulator/${path}`, { method, ca }, (response) => {
        let text = "";
        response.on("data", (part) => (text += part));
        response.on("end", () => {
          if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode} ${text}`));
          else resolve(JSON.parse(text));
        });
      });
      request.on("error", reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const state = async () => {
    const { jumpcloud, google, entra } = await ask("GET", "state");
    return { jumpcloud, google: google.tenant, entra: entra.tenant };
  };
  return {
    ...told,
    /** What all three vendors hold. */
    state,
    /** Every request that a vendor got. */
    requests: () => ask("GET", "requests"),
    /** Writes that a vendor got. */
    writes: async (vendor) =>
      (await ask("GET", "requests")).filter(
        (one) => one.vendor === vendor && !["GET", "HEAD"].includes(one.method) && !isRead(one),
      ),
    /** A click of an administrator in JumpCloud. */
    click: (click) => ask("POST", "clicks", click),
    /** A Google group's members by its address; none where there is no such group. */
    google_members: async (address) => {
      const { google } = await state();
      return google.groups.find((group) => group.email === address)?.members?.map((member) => member.email ?? member.id);
    },
    errors: () => errors,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", resolve);
        child.kill("SIGINT");
      }),
  };
}

// Batches and token exchanges are posts too; what a batch carries follows it in the log as entries of its own.
function isRead({ path }) {
  return /\/token$|\/oauth2\/|\/batch|\/\$batch$|\/events$|\/getMemberGroups$/.test(path);
}
