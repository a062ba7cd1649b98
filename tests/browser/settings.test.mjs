// What is set for a directory and a tenant: schedule with its quiet hours, limits, and which component runs. What is
// wrong is told at its field and nothing is kept of it; what is kept is in the audit log.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { approveAll, directory, look, plan, signIn } from "./pages.mjs";
import { program, start } from "./sandbox.mjs";

let sandbox, browser, page;
const problems = [];

before(async () => {
  sandbox = await start();
  browser = await launch();
  page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => problems.push(`${page.url()}: ${error}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of (403|404|409|422)/.test(message.text())) problems.push(`${page.url()}: ${message.text()}`);
  });
  await signIn(page, sandbox);
  await page.getByRole("heading", { level: 1, name: "Tenants" }).waitFor();
});

after(async () => {
  await browser?.close();
  await sandbox?.stop();
  assert.deepEqual(problems, [], "what the browser complained of");
});

/** What is wrong with a field, as whoever cannot see is told it: by the texts that describe it. */
async function fault(label) {
  const field = typeof label === "string" ? page.getByLabel(label, { exact: true }) : label;
  assert.equal(await field.getAttribute("aria-invalid"), "true", `${label} is marked`);
  const ids = (await field.getAttribute("aria-describedby")).split(" ");
  const texts = await Promise.all(ids.map((id) => page.locator(`[id="${id}"]`).textContent()));
  return texts.join(" ");
}

/** The latest entry of the audit log of the tenant, as it is shown. */
async function audited(action) {
  await page.goto(`${sandbox.url}/tenants/${sandbox.tenant}/audit`);
  const entry = page.getByRole("row").filter({ hasText: action }).first();
  await entry.waitFor();
  return entry.textContent();
}

test("schedule: jitter, quiet hours and what follows a missed run are entered, kept, and in the audit log", async () => {
  await page.goto(directory(sandbox, "google"));
  await page.getByText("when asked for").first().waitFor();
  await page.getByRole("link", { name: "Change the schedule" }).click();
  await page.getByRole("heading", { level: 1, name: "Schedule" }).waitFor();
  await look(page, "schedule-empty");
  await page.getByLabel("Cron pattern").fill("*/30 6-20 * * 1-5");
  await page.getByLabel("Time zone", { exact: true }).first().fill("Europe/Lisbon");
  await page.getByLabel("Begin up to so many seconds late").fill("120");
  await page.getByLabel(/In between, look each/).fill("60");
  await page.getByLabel(/Runs that were missed/).selectOption("skip");
  await page.getByLabel("In quiet hours").selectOption("writes");
  const hours = page.getByRole("group", { name: "Add hours" });
  await hours.getByLabel("From").fill("22:00");
  await hours.getByLabel("Until").fill("06:30");
  await hours.getByLabel("Friday").check();
  await hours.getByLabel("Saturday").check();
  await page.getByRole("button", { name: "Keep the schedule" }).click();
  await page.getByText("The schedule was kept").waitFor();
  await page.getByText("22:00 to 06:30, Friday, Saturday").waitFor();
  await page.getByText("120 seconds late").waitFor();
  await look(page, "directory-scheduled");
  await page.getByRole("link", { name: "Change the schedule" }).click();
  assert.equal(await page.getByRole("group", { name: "Hours 1" }).getByLabel("Until").inputValue(), "06:30");
  assert.ok(await page.getByRole("group", { name: "Hours 1" }).getByLabel("Saturday").isChecked());
  assert.equal(await page.getByLabel(/Runs that were missed/).inputValue(), "skip");
  await look(page, "schedule");
  const entry = await audited("directory.changed");
  assert.match(entry, /jitter_seconds/);
  assert.match(entry, /22:00/);
});

test("schedule: each field says what is wrong with it, what was entered stays, and nothing is kept", async () => {
  await page.goto(directory(sandbox, "google", "/schedule"));
  await page.getByLabel("Cron pattern").fill("every day");
  await page.getByLabel("Time zone", { exact: true }).first().fill("Europe/Lisboa");
  await page.getByLabel("Begin up to so many seconds late").fill("4000");
  const more = page.getByRole("group", { name: "Add hours" });
  await more.getByLabel("From").fill("12:00");
  await more.getByLabel("Time zone").fill("Mars");
  await page.getByRole("button", { name: "Keep the schedule" }).click();
  await page.getByText("Something is not right yet").waitFor();
  await look(page, "schedule-wrong");
  assert.match(await fault("Cron pattern"), /pattern|every day/);
  assert.match(await fault(page.locator("#timezone")), /Lisboa/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "cron", "the focus is on the first that is wrong");
  assert.match(await fault("Begin up to so many seconds late"), /3.?600/);
  const second = page.getByRole("group", { name: "Hours 2" });
  assert.match(await fault(second.getByLabel("Until")), /time of the day/);
  assert.match(await fault(second.getByLabel("Time zone")), /Mars/);
  assert.equal(await page.getByLabel("Cron pattern").inputValue(), "every day");
  assert.equal(await second.getByLabel("From").inputValue(), "12:00");
  await page.getByLabel("Begin up to so many seconds late").fill("soon");
  await page.getByRole("button", { name: "Keep the schedule" }).click();
  await page.getByText("Something is not right yet").waitFor();
  assert.match(await fault("Begin up to so many seconds late"), /whole number/);
  await page.goto(directory(sandbox, "google"));
  await page.getByText("*/30 6-20 * * 1-5").waitFor();
});

test("schedule: what somebody else changed meanwhile is not overwritten", async () => {
  const other = await page.context().newPage();
  await page.goto(directory(sandbox, "google", "/schedule"));
  await other.goto(directory(sandbox, "google", "/schedule"));
  await other.getByLabel("Cron pattern").fill("0 4 * * *");
  await other.getByRole("button", { name: "Keep the schedule" }).click();
  await other.getByText("The schedule was kept").waitFor();
  await page.getByLabel("Cron pattern").fill("0 3 * * *");
  await page.getByRole("button", { name: "Keep the schedule" }).click();
  await page.getByText("This changed meanwhile").waitFor();
  await other.goto(directory(sandbox, "google"));
  await other.getByText("0 4 * * *").waitFor();
  await other.close();
});

test("schedule: without a pattern runs begin only when asked for; with the keyboard alone", async () => {
  await page.goto(directory(sandbox, "google", "/schedule"));
  await page.getByLabel("Cron pattern").focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  await page.keyboard.press("Enter");
  await page.getByText("The schedule was kept").waitFor();
  await page.getByText("when asked for").first().waitFor();
});

test("r43 limits: entered, kept, followed by the next plan, and in the audit log", async () => {
  await page.goto(directory(sandbox, "google"));
  await page.getByRole("link", { name: "Change the limits" }).click();
  await page.getByRole("heading", { level: 1, name: "Limits" }).waitFor();
  await look(page, "limits");
  const field = (part, of) => page.getByLabel(`${part}: ${of}`);
  await field("At most", "Added to one group in one run").fill("5");
  await field("Percent", "Removed from one group in one run").fill("25");
  await page.getByLabel(/A removal counts so many times/).fill("2");
  await page.getByRole("button", { name: "Keep the limits" }).click();
  await page.getByText("The limits were kept").waitFor();
  await page.getByRole("row", { name: /Removed from one group in one run/ }).getByText("25%").waitFor();
  const entry = await audited("directory.changed");
  assert.match(entry, /group_adds/);
  assert.ok(!entry.includes("run_removals"), "what stays as it is by itself is not written down");
  await page.goto(directory(sandbox, "google", "/enable"));
  await page.getByRole("checkbox").check();
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByRole("heading", { name: "Group management is on" }).waitFor();
  await plan(page, sandbox, "google");
  const part = page.getByRole("article", { name: "Firmware" });
  await part.getByText("Held").first().waitFor();
  await look(page, "plan-over-limit");
});

test("r43 limits: each field says what is wrong with it, and nothing is kept", async () => {
  await page.goto(directory(sandbox, "google", "/limits"));
  const percent = page.getByLabel("Percent: Removed in one run", { exact: true });
  const most = page.getByLabel("At most: Added in one run", { exact: true });
  await percent.fill("101");
  await page.getByRole("button", { name: "Keep the limits" }).click();
  await page.getByText("Something is not right yet").waitFor();
  assert.match(await fault(percent), /100/);
  await most.fill("a few");
  await percent.fill("10");
  await page.getByRole("button", { name: "Keep the limits" }).click();
  await page.getByText("Something is not right yet").waitFor();
  assert.match(await fault(most), /whole number/);
  assert.equal(await most.inputValue(), "a few");
  await look(page, "limits-wrong");
  await page.goto(directory(sandbox, "google", "/limits"));
  assert.equal(await most.inputValue(), "");
});

test("a plugin: known by its digest, with what was granted; chosen for a tenant, and back", async () => {
  const config = ["--config", path.join(path.dirname(sandbox.ca_file), "groupcast.toml")];
  const file = path.join(path.dirname(sandbox.ca_file), "another.wasm");
  const bytes = Buffer.concat([readFileSync(component()), section("note", "another digest")]);
  writeFileSync(file, bytes);
  const digest = createHash("sha256").update(bytes).digest("hex");
  const home = `${sandbox.url}/tenants/${sandbox.tenant}`;
  await page.goto(`${home}/plugins`);
  await page.getByRole("article", { name: "Built-in component" }).getByText("Runs", { exact: true }).waitFor();
  assert.equal(await page.getByRole("button", { name: /Run this one/ }).count(), 0, "nothing else is granted");
  execFileSync(program, [...config, "plugin", "add", file]);
  execFileSync(program, [...config, "plugin", "grant", digest, "--tenant", sandbox.tenant]);
  await page.reload();
  const article = page.getByRole("article").filter({ hasText: digest });
  await article.getByText(/kinds of requests, \d+ of them write/).waitFor();
  await look(page, "plugins");
  await article.getByRole("button", { name: /Run this one/ }).click();
  await page.getByText("The tenant runs another component").waitFor({ timeout: 120_000 });
  await article.getByText("Runs", { exact: true }).waitFor();
  assert.match(await audited("tenant.changed"), new RegExp(digest.slice(0, 12)));
  await page.goto(directory(sandbox, "google"));
  assert.equal(await page.getByText("This directory cannot run").count(), 0);
  await plan(page, sandbox, "google");
  await page.getByRole("article", { name: "Founders' Circle" }).waitFor();
  await approveAll(page);
  assert.equal((await sandbox.google_members("founders@larkspur.example"))?.length, 3, "what it planned was approved and done");
  await page.goto(`${sandbox.url}/plugins`);
  await page.getByRole("article").filter({ hasText: digest }).getByText(`tenant ${sandbox.tenant}`).waitFor();
  assert.equal(await page.locator("main form").count(), 0, "the host's list is for reading");
  await look(page, "plugins-host");
  await page.goto(`${home}/plugins`);
  await page.getByRole("button", { name: /Run this one.*Built-in component/ }).click();
  await page.getByText("The tenant runs the built-in component").waitFor({ timeout: 60_000 });
});

test("whoever may only operate sees settings, and is offered no change of them", async () => {
  await page.goto(`${sandbox.url}/tenants/${sandbox.tenant}/tokens`);
  await page.getByLabel("Name").fill("Operator");
  await page.getByLabel("Role").selectOption("operator");
  await page.getByRole("button", { name: "Make the token" }).click();
  const token = (await page.locator("#token").textContent()).trim();
  const context = await browser.newContext();
  const operator = await context.newPage();
  await signIn(operator, sandbox, token);
  await operator.getByText("operator", { exact: true }).filter({ visible: true }).waitFor();
  for (const rest of ["/schedule", "/limits"]) {
    await operator.goto(directory(sandbox, "google", rest));
    await operator.getByRole("heading", { level: 1 }).waitFor();
    assert.equal(await operator.locator("main form").count(), 0);
    await look(operator, `operator${rest.replace("/", "-")}`);
    const status = await operator.evaluate(async () => {
      const csrf = document.querySelector("input[name=csrf]").value;
      return (await fetch(location.pathname, { method: "POST", body: new URLSearchParams({ csrf, version: "1", cron: "* * * * *" }) })).status;
    });
    assert.equal(status, 403, `${rest} is refused`);
  }
  await context.close();
});

/** The component that the build made. */
function component() {
  const builds = fileURLToPath(new URL("../../target/debug/build", import.meta.url));
  const found = readdirSync(builds)
    .map((name) => path.join(builds, name, "out", "groupcast.wasm"))
    .filter((file) => existsSync(file))
    .sort((one, other) => statSync(other).mtimeMs - statSync(one).mtimeMs);
  assert.ok(found.length > 0, "the component that the build made is there");
  return found[0];
}

/** A custom section, which changes nothing but the digest. */
function section(name, content) {
  const length = (number) => (number < 128 ? [number] : [(number & 127) | 128, ...length(number >> 7)]);
  const body = Buffer.concat([Buffer.from(length(name.length)), Buffer.from(name), Buffer.from(content)]);
  return Buffer.concat([Buffer.from([0, ...length(body.length)]), body]);
}
