// Steps that several tests take, and what each page that they see must be: without serious findings of axe-core, not
// wider than the window, and photographed in both themes and at a phone's width.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { audit } from "./browser.mjs";

const folder = process.env.GROUPCAST_SCREENSHOTS ?? fileURLToPath(new URL("../../target/screenshots", import.meta.url));
mkdirSync(folder, { recursive: true });

const LOOKS = [
  ["light", "light", 1280],
  ["dark", "dark", 1280],
  ["phone", "light", 390],
  ["phone-dark", "dark", 390],
];

/** Looks at the page that is open: photographs it and holds it to what every page must be. */
export async function look(page, name) {
  for (const [label, colorScheme, width] of LOOKS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    await page.screenshot({ path: path.join(folder, `${name}.${label}.png`), fullPage: true, animations: "disabled" });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${name} (${label}) is ${wide} pixels wider than the window`);
    if (label !== "phone-dark") assert.deepEqual(await audit(page), [], `${name} (${label})`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 900 });
}

/** Signs in with a token. */
export async function signIn(page, sandbox, token = sandbox.token) {
  await page.goto(`${sandbox.url}/sign-in`);
  await page.getByLabel("API token").fill(token);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** A page of a directory. */
export const directory = (sandbox, name, rest = "") =>
  `${sandbox.url}/tenants/${sandbox.tenant}/directories/${name}${rest}`;

/** Waits until the job whose page is open has ended, and gives how. */
export async function ended(page, timeout = 90_000) {
  await page.locator("#live .badge:not(.busy)").first().waitFor({ timeout });
  return (await page.locator("#live .badge").first().textContent()).trim();
}

/** Makes a plan of a directory and opens it. */
export async function plan(page, sandbox, name) {
  await page.goto(directory(sandbox, name, "/plans"));
  await page.getByRole("button", { name: "Make a plan" }).click();
  const how = await ended(page);
  await page.getByRole("link", { name: "See the plan" }).click();
  await page.getByRole("heading", { level: 1, name: /^Plan / }).waitFor();
  return how;
}

/** Approves all of the plan that is open, and waits for what comes of it. */
export async function approveAll(page) {
  await page.getByRole("button", { name: "Approve all and apply" }).click();
  return ended(page);
}

/** The row of a group in the list of a directory. */
export async function row(page, sandbox, name, group) {
  await page.goto(directory(sandbox, name, `/groups?search=${encodeURIComponent(group)}`));
  return page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: new RegExp(`^${group}`) }) }).first();
}
