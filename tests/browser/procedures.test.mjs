// The vendor page's procedures, click by click: specify a distribution group, select a security group, enable, disable,
// and what follows. After each step the simulators' own state says whether it happened.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { audit, launch } from "./browser.mjs";
import { approveAll, directory, ended, look, plan, row, signIn } from "./pages.mjs";
import { start } from "./sandbox.mjs";

let sandbox, browser, context, page;
const problems = [];

before(async () => {
  sandbox = await start();
  browser = await launch();
  context = await browser.newContext();
  page = await context.newPage();
  watch(page);
});

after(async () => {
  await browser?.close();
  await sandbox?.stop();
  assert.deepEqual(problems, [], "what the browser complained of");
});

/** What a browser says on its console: a refused script or style, an exception. */
function watch(one) {
  one.on("pageerror", (error) => problems.push(`${one.url()}: ${error}`));
  one.on("console", (message) => {
    const expected = /status of (401|404|409|422|502)/.test(message.text());
    if (message.type() === "error" && !expected) problems.push(`${one.url()}: ${message.text()}`);
  });
}

test("signing in: a wrong token says so, the right one leads to where one wanted to go", async () => {
  await page.goto(`${sandbox.url}/tenants`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor({ state: "attached" });
  await look(page, "sign-in");
  await page.getByLabel("API token").fill("gc_wrong");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("This token opens nothing").waitFor();
  await page.getByLabel("API token").fill(sandbox.token);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "Tenants" }).waitFor();
  await look(page, "tenants");
  await page.getByRole("link", { name: /Larkspur/ }).first().click();
  await page.getByRole("heading", { level: 1, name: /Larkspur/ }).waitFor();
  await look(page, "tenant");
});

test("r1 specify a distribution group: a bound group without an email gets its Google address here", async () => {
  const group = await row(page, sandbox, "google", "Security Review Board");
  await group.getByText("no address").waitFor();
  await look(page, "groups-search");
  await group.getByRole("link", { name: "Settings" }).click();
  await page.getByLabel("Address of the distribution group").fill("security-review@larkspur.example");
  await look(page, "group");
  await page.getByRole("button", { name: "Keep the address" }).click();
  await page.getByText("The group's settings were kept").waitFor();
  const after = await row(page, sandbox, "google", "Security Review Board");
  await after.getByText("security-review@larkspur.example").waitFor();
  await after.getByText("entered here").waitFor();
  assert.deepEqual(await sandbox.writes("jumpcloud"), [], "JumpCloud is never written to (R8)");
  assert.deepEqual(await sandbox.writes("google"), []);
});

test("binding by one click in the list changes the row, and nothing at a vendor (R30)", async () => {
  const group = await row(page, sandbox, "google", "Chess Club");
  await group.getByText("not bound to this directory").waitFor();
  await group.getByRole("button", { name: "Bind" }).click();
  await group.getByRole("button", { name: "Unbind" }).waitFor();
  assert.ok(page.url().includes("/groups?search="), "one stays where one was in the list");
  await page.goto(directory(sandbox, "google", "/groups"));
  await look(page, "groups");
  assert.deepEqual(await sandbox.writes("google"), []);
});

test("r34 r35 enable: what was found is shown before it happens, and risk must be acknowledged", async () => {
  // Without its address the group is at risk again.
  const group = await row(page, sandbox, "google", "Security Review Board");
  await group.getByRole("link", { name: "Settings" }).click();
  await page.getByLabel("Address of the distribution group").fill("");
  await page.getByRole("button", { name: "Keep the address" }).click();
  await page.getByText("The group's settings were kept").waitFor();
  await page.goto(directory(sandbox, "google"));
  await page.getByText("Group management is off").waitFor();
  await look(page, "directory-off");
  await page.getByRole("link", { name: "Switch on" }).click();
  await page.getByText("Security Review Board").first().waitFor();
  await look(page, "enable-at-risk");
  // The browser itself asks for the tick; the server does so too, where a browser does not.
  const refused = await page.evaluate(async () => {
    const form = [...document.forms].find((one) => one.action.endsWith("/enable"));
    const fields = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.action, { method: "POST", body: fields });
    return [answer.status, await answer.text()];
  });
  assert.equal(refused[0], 409);
  assert.match(refused[1], /not switched on/);
  await page.reload();
  await page.getByRole("checkbox").check();
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByRole("heading", { name: "Group management is on" }).waitFor();
  await page.getByText("At risk").first().waitFor();
  await look(page, "directory-on");
  assert.deepEqual(await sandbox.writes("google"), [], "switching on writes nothing (R44)");
});

test("r44 plan, approve, apply: exactly what was shown, with its progress live", async () => {
  const again = await row(page, sandbox, "google", "Security Review Board");
  await again.getByRole("link", { name: "Settings" }).click();
  await page.getByLabel("Address of the distribution group").fill("security-review@larkspur.example");
  await page.getByRole("button", { name: "Keep the address" }).click();
  await page.getByText("The group's settings were kept").waitFor();
  await page.goto(directory(sandbox, "google", "/plans"));
  await page.getByRole("button", { name: "Make a plan" }).click();
  // The page shows phases as they come, without being loaded again.
  await page.locator("#live").getByText("Reading JumpCloud").waitFor({ timeout: 60_000 });
  await ended(page);
  await look(page, "job");
  await page.getByRole("link", { name: "See the plan" }).click();
  await page.getByText("security-review@larkspur.example").first().waitFor();
  await page.getByText("takes over an existing group").first().waitFor();
  await look(page, "plan");
  assert.deepEqual(await sandbox.writes("google"), [], "a plan writes nothing");
  await approveAll(page);
  const members = await sandbox.google_members("security-review@larkspur.example");
  assert.ok(members?.length >= 6, `the group at the entered address has its people: ${members}`);
  assert.ok((await sandbox.google_members("chess-club@larkspur.example"))?.length > 0, "the group bound here is exported");
  await page.getByRole("link", { name: "See the run" }).click();
  await page.getByRole("heading", { name: "What the vendor answered" }).waitFor();
  await look(page, "run");
  await page.goto(directory(sandbox, "google", "/plans"));
  await look(page, "plans");
});

test("r43 what is over a limit is held, says why, and is released group by group", async () => {
  const { jumpcloud } = await sandbox.state();
  const group = jumpcloud.groups.find((one) => one.name === "First Aiders");
  for (const user of group.users.slice(0, 8)) await sandbox.click({ click: "remove-user", group: group.id, user });
  const before = (await sandbox.google_members("first-aiders@larkspur.example")).length;
  await plan(page, sandbox, "google");
  const part = page.getByRole("article", { name: "First Aiders" });
  await part.getByText("Held").first().waitFor();
  await look(page, "plan-held");
  assert.equal((await sandbox.google_members("first-aiders@larkspur.example")).length, before);
  await part.getByRole("button", { name: "Release what is held" }).click();
  await ended(page);
  assert.equal((await sandbox.google_members("first-aiders@larkspur.example")).length, before - 8);
});

test("r2 r29 select a security group: only what is selected is exported to Entra", async () => {
  const group = await row(page, sandbox, "entra", "Platform");
  await group.getByRole("button", { name: "Select" }).click();
  await group.getByRole("button", { name: "Deselect" }).waitFor();
  await page.goto(directory(sandbox, "entra", "/groups"));
  await look(page, "groups-entra");
  await page.goto(directory(sandbox, "entra", "/enable"));
  await page.getByRole("heading", { name: /Before anything happens/ }).waitFor();
  const tick = page.getByRole("checkbox");
  if (await tick.count()) await tick.check();
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByRole("heading", { name: "Group management is on" }).waitFor();
  await plan(page, sandbox, "entra");
  await approveAll(page);
  const { entra } = await sandbox.state();
  const made = entra.groups.filter((one) => one.display_name === "Platform");
  assert.equal(made.length, 1);
  assert.ok(made[0].members.length > 10 && made[0].security_enabled !== false);
  assert.ok(!entra.groups.some((one) => one.display_name === "Firmware"), "what is not selected is not exported");
});

test("r36 r37 r38 disable: nothing is written or deleted; on again, everything is a plan to approve", async () => {
  await page.goto(directory(sandbox, "google"));
  await page.getByRole("button", { name: "Switch off" }).click();
  await page.getByRole("heading", { name: "Group management is off" }).waitFor();
  const before = await sandbox.google_members("book-club@larkspur.example");
  const writes = (await sandbox.writes("google")).length;
  const { jumpcloud } = await sandbox.state();
  const club = jumpcloud.groups.find((one) => one.name === "Book Club");
  const joiner = jumpcloud.groups.find((one) => one.name === "Legal").users.find((user) => !club.users.includes(user));
  await sandbox.click({ click: "add-user", group: club.id, user: joiner });
  await page.goto(directory(sandbox, "google", "/runs"));
  assert.equal(await page.getByRole("button", { name: "Sync now" }).count(), 0, "nothing is offered while it is off");
  assert.deepEqual(await sandbox.google_members("book-club@larkspur.example"), before);
  assert.equal((await sandbox.writes("google")).length, writes);
  await page.goto(directory(sandbox, "google", "/enable"));
  const tick = page.getByRole("checkbox");
  if (await tick.count()) await tick.check();
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByText("Plans, and waits for approval").waitFor();
  await page.getByRole("button", { name: "Sync now" }).click();
  await ended(page);
  assert.equal((await sandbox.writes("google")).length, writes, "a sync only plans until it is approved (R38)");
  await plan(page, sandbox, "google");
  await page.getByRole("article", { name: "Book Club" }).waitFor();
  await approveAll(page);
  assert.equal((await sandbox.google_members("book-club@larkspur.example")).length, before.length + 1);
});

test("why: the chain names the link that does not hold", async () => {
  const { jumpcloud } = await sandbox.state();
  const starters = jumpcloud.groups.find((one) => one.name === "New Starters");
  const last = jumpcloud.users.find((user) => user.id === starters.users.at(-1));
  await page.goto(directory(sandbox, "google", "/why"));
  await look(page, "why-empty");
  await page.getByLabel("Person").fill(last.email);
  await page.getByLabel("Group", { exact: true }).fill("New Starters");
  await page.getByRole("button", { name: "Why?" }).click();
  await page.getByText("The cause").waitFor({ timeout: 60_000 });
  await look(page, "why");
});

test("r45 undo: the way back is a plan, shown before anything happens", async () => {
  const now = (await sandbox.google_members("book-club@larkspur.example")).length;
  await page.goto(directory(sandbox, "google", "/history"));
  await look(page, "history");
  await page.getByRole("button", { name: /Plan the way back/ }).first().click();
  await ended(page);
  assert.equal((await sandbox.google_members("book-club@larkspur.example")).length, now, "planning the way back writes nothing");
  await page.getByRole("link", { name: /See the plan/ }).click();
  await page.getByRole("article", { name: "Book Club" }).waitFor();
  await look(page, "plan-undo");
  await approveAll(page);
  assert.equal((await sandbox.google_members("book-club@larkspur.example")).length, now - 1);
});

test("the other pages: charts, settings, secrets, tokens, access, audit", async () => {
  await page.goto(directory(sandbox, "google", "/charts"));
  await look(page, "charts");
  const home = `${sandbox.url}/tenants/${sandbox.tenant}`;
  for (const name of ["runs", "settings", "secrets", "tokens", "access", "audit"]) {
    await page.goto(`${home}/${name}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await look(page, name);
  }
  await page.goto(`${home}/tokens`);
  await page.getByLabel("Name").fill("For the test");
  await page.getByRole("button", { name: "Make the token" }).click();
  const token = (await page.locator("#token").textContent()).trim();
  assert.match(token, /^gc_/);
  await page.goto(`${home}/tokens`);
  assert.ok(!(await page.content()).includes(token), "it is shown once");
  await page.goto(`${home}/secrets`);
  assert.ok(!(await page.content()).includes(sandbox.jumpcloud_api_key), "a secret is never shown");
  await page.goto(`${sandbox.url}/tenants/nobody`);
  await page.getByText("There is no such thing here").waitFor();
  await look(page, "problem");
});

test("somebody who may only look sees no buttons, and their forms are refused", async () => {
  const home = `${sandbox.url}/tenants/${sandbox.tenant}`;
  await page.goto(`${home}/tokens`);
  await page.getByLabel("Name").fill("Viewer");
  await page.getByRole("button", { name: "Make the token" }).click();
  const token = (await page.locator("#token").textContent()).trim();
  const other = await browser.newContext();
  const viewer = await other.newPage();
  await signIn(viewer, sandbox, token);
  await viewer.goto(directory(sandbox, "google"));
  assert.equal(await viewer.getByRole("button", { name: /Switch|Sync|Pause|Keep/ }).count(), 0);
  await look(viewer, "viewer");
  await other.close();
});

test("with the keyboard alone: skip link, a filter, a button", async () => {
  await page.goto(directory(sandbox, "google", "/groups?search=Chess"));
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  for (let steps = 0; steps < 60; steps += 1) {
    await page.keyboard.press("Tab");
    const [text, outline] = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return [document.activeElement.textContent.trim(), `${style.outlineStyle} ${style.outlineWidth}`];
    });
    assert.notEqual(outline.split(" ")[0], "none", `where the focus is must be seen: ${text}`);
    if (text.startsWith("Unbind")) break;
  }
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Bind Chess Club" }).waitFor();
});

test("without a script everything works: forms are forms", async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false });
  const bare = await plain.newPage();
  await signIn(bare, sandbox);
  await bare.goto(directory(sandbox, "google", "/groups?search=Chess"));
  await bare.getByRole("button", { name: "Bind Chess Club" }).click();
  await bare.getByRole("button", { name: "Unbind Chess Club" }).waitFor();
  await bare.getByText("The group's settings were kept").waitFor();
  await bare.goto(directory(sandbox, "google", "/plans"));
  await bare.getByRole("button", { name: "Make a plan" }).click();
  // The page fetches itself again until the job has ended.
  await bare.getByRole("link", { name: "See the plan" }).waitFor({ timeout: 90_000 });
  await bare.getByRole("button", { name: "Dark" }).click();
  assert.equal(await bare.locator("html").getAttribute("data-theme"), "dark");
  await plain.close();
});

test("the theme is switched at once and remembered", async () => {
  await page.goto(`${sandbox.url}/tenants`);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole("button", { name: "Dark" }).click();
  assert.notEqual(await ground(), light);
  await page.waitForTimeout(300);
  await page.reload();
  assert.notEqual(await ground(), light);
  assert.deepEqual(await audit(page), []);
  await page.getByRole("button", { name: "System" }).click();
});

test("r33 no user was written, and JumpCloud was only read", async () => {
  const requests = await sandbox.requests();
  const users = requests.filter((one) => !["GET", "HEAD"].includes(one.method) && /\/users(\/[^/]+)?$/.test(one.path));
  assert.deepEqual(users, []);
  assert.deepEqual(await sandbox.writes("jumpcloud"), []);
});
