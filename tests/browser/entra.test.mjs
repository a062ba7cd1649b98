// Entra ID from an empty store on: the first visit with Microsoft 365 as the target, then the vendor page's procedures
// for security groups and what follows them. After each step the simulated vendor says whether it happened.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { approveAll, directory, look, plan, row, signIn } from "./pages.mjs";
import { start } from "./sandbox.mjs";

let sandbox, browser, page;

before(async () => {
  sandbox = await start({ empty: true });
  browser = await launch();
  page = await browser.newPage();
  page.setDefaultTimeout(20_000);
});

after(async () => {
  await browser?.close();
  await sandbox?.stop();
});

const groups = async (name) => (await sandbox.state()).entra.groups.filter((group) => group.display_name === name);
const secure = (group) => group.security_enabled !== false && !group.mail_enabled;
const mark = async (name, does, then) => {
  const group = await row(page, sandbox, "entra", name);
  await group.getByRole("button", { name: does }).click();
  await group.getByRole("button", { name: then }).waitFor();
};
const select = (name) => mark(name, /^Select/, /^Deselect/);
const deselect = (name) => mark(name, /^Deselect/, /^Select/);

test("first visit: JumpCloud, then Microsoft 365, with what to click at the vendor", async () => {
  await signIn(page, sandbox);
  await page.getByRole("link", { name: "Add the first one" }).click();
  await page.getByLabel("What people call this organisation").fill("Larkspur & Co");
  await page.getByLabel("Short name").fill(sandbox.tenant);
  await page.getByLabel(/the API key of an administrator/).check();
  await page.getByLabel("Client secret or API key").fill(sandbox.jumpcloud_api_key);
  await page.getByText("Region, organisation ID and addresses").click();
  await page.getByLabel("Console address").fill(sandbox.jumpcloud);
  await page.getByRole("button", { name: "Connect JumpCloud" }).click();
  await page.getByText("JumpCloud is connected").waitFor({ timeout: 60_000 });
  await page.getByRole("link", { name: "Connect Entra ID" }).click();
  await page.getByText("Group.ReadWrite.All").first().waitFor();
  assert.equal(await page.getByLabel("JumpCloud's ID of the directory").locator("option").count(), 1, "only Microsoft 365 is offered");
  await page.getByLabel("Directory (tenant) ID").fill("larkspur");
  await page.getByLabel("Application (client) ID").fill(sandbox.entra_client);
  await page.getByLabel("Client secret").fill("a secret of the day before");
  await page.getByText("Addresses, for national clouds").click();
  await page.getByLabel("Address of Microsoft Graph").fill(sandbox.graph);
  await page.getByLabel("Sign-in address").fill(sandbox.login);
  await look(page, "entra-connect");
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await page.locator("#notice").getByText(/tenant_id/).waitFor();
  assert.equal(await page.getByLabel("Application (client) ID").inputValue(), sandbox.entra_client, "what was entered stays");
  assert.equal(await page.getByLabel("Client secret").inputValue(), "", "a secret is never sent back");
  await look(page, "entra-connect-refused");
  await page.getByLabel("Directory (tenant) ID").fill(sandbox.entra_tenant);
  await page.getByLabel("Client secret").fill("a secret of the day before");
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await page.getByText("The directory is connected").waitFor({ timeout: 60_000 });
  assert.deepEqual(await sandbox.writes("entra"), []);
});

test("r7 a secret that Entra refuses is named before anything happens, and another takes its place without a restart", async () => {
  await page.goto(directory(sandbox, "entra", "/enable"));
  await page.getByText(/client secret/i).first().waitFor({ timeout: 60_000 });
  await look(page, "entra-preflight-refused");
  await page.goto(`${sandbox.url}/tenants/${sandbox.tenant}/secrets`);
  await page.getByLabel("Name").fill("entra-credential");
  await page.getByLabel("Value").fill(sandbox.entra_client_secret);
  await page.getByRole("button", { name: /Seal|Keep|Set/ }).click();
  await page.getByText("The secret was sealed and kept").waitFor();
});

test("r2 r29 select security groups: before management is on, with and without an email, and nothing is written", async () => {
  for (const name of ["Legal", "Finance", "Sales", "Marketing", "Platform", "Security Review Board"]) await select(name);
  await page.goto(directory(sandbox, "entra", "/groups?only=bound"));
  await page.getByRole("rowheader", { name: /All Staff/ }).waitFor();
  await look(page, "entra-selected");
  assert.deepEqual(await sandbox.writes("entra"), []);
});

test("r34 r35 enable: the preflight is shown, risk is accepted by a tick, and nothing is written", async () => {
  await page.goto(directory(sandbox, "entra"));
  await page.getByRole("link", { name: "Switch on" }).click();
  await page.getByRole("heading", { name: /Before anything happens/ }).waitFor({ timeout: 60_000 });
  assert.equal(await page.getByText(/client secret/i).count(), 0, "the other secret is in use");
  await page.getByText("Security Review Board").first().waitFor();
  await look(page, "entra-preflight");
  await page.getByRole("checkbox").check();
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByRole("heading", { name: "Group management is on" }).waitFor();
  assert.deepEqual(await sandbox.writes("entra"), []);
});

let taken, made;

test("r21 r22 r23 r26 the first plan: what is taken over, created, and left alone; then exactly that", async () => {
  const before = (await sandbox.state()).entra.groups;
  await plan(page, sandbox, "entra");
  await page.getByRole("article", { name: "Legal" }).getByText("takes over an existing group").waitFor();
  for (const name of ["Finance", "Sales", "Marketing", "Platform", "Security Review Board"]) await page.getByRole("article", { name, exact: true }).waitFor();
  assert.equal(await page.getByRole("article", { name: "Firmware" }).count(), 0, "what is not selected is not in the way");
  await page.getByText(/groups that are not exported/).click();
  await page.locator("dt", { hasText: "Firmware" }).locator("+ dd").getByText(/not selected/).waitFor();
  await look(page, "entra-plan");
  assert.deepEqual(await sandbox.writes("entra"), [], "a plan writes nothing");
  await approveAll(page);
  await page.getByRole("link", { name: "See the run" }).click();
  await page.getByRole("heading", { name: "What the vendor answered" }).waitFor();
  await look(page, "entra-run");
  const known = new Set(before.map((group) => group.id));
  taken = (await groups("Legal"))[0];
  assert.equal((await groups("Legal")).length, 1);
  assert.ok(known.has(taken.id), "exactly one of the name: taken over, with its ID (R21)");
  made = {};
  for (const name of ["Finance", "Sales", "Marketing", "Platform", "Security Review Board"]) {
    const fresh = (await groups(name)).filter((group) => !known.has(group.id));
    assert.equal(fresh.length, 1, `${name}: one new group`);
    assert.ok(secure(fresh[0]), `${name}: a security group, and no mail (R22)`);
    made[name] = fresh[0];
  }
  assert.equal((await groups("Finance")).length, 3, "two twins, so a third (R23)");
  assert.ok(made["Platform"].members.length >= 18);
  const untouched = (name, id) => before.find((group) => group.display_name === name && (!id || group.id === id));
  for (const one of before.filter((group) => group.display_name !== "Legal")) {
    const now = (await groups(one.display_name)).find((group) => group.id === one.id);
    assert.deepEqual(now, untouched(one.display_name, one.id), `${one.display_name} was not exported and is as it was (R23, R26, R52)`);
  }
});

test("r25 r46 a second run makes no fourth group, and writes nothing", async () => {
  const writes = (await sandbox.writes("entra")).length;
  await plan(page, sandbox, "entra");
  assert.equal(await page.getByRole("button", { name: "Approve all and apply" }).count(), 0, "there is nothing to approve");
  await look(page, "entra-plan-nothing");
  assert.equal((await sandbox.writes("entra")).length, writes);
  assert.equal((await groups("Finance")).length, 3);
});

test("r11 what follows: somebody joins, somebody leaves, a group is renamed; it stays the same group", async () => {
  const { jumpcloud } = await sandbox.state();
  const users = (name) => jumpcloud.groups.find((group) => group.name === name).users;
  const joiner = users("Design").find((user) => !users("Platform").includes(user));
  await sandbox.click({ click: "add-user", group: "Platform", user: joiner });
  await sandbox.click({ click: "remove-user", group: "Legal", user: users("Legal")[0] });
  await sandbox.click({ click: "rename", group: "Platform", name: "Platform & Tools" });
  await plan(page, sandbox, "entra");
  await page.getByRole("article", { name: "Platform & Tools" }).waitFor();
  await look(page, "entra-plan-follows");
  const legal = taken.members.length;
  await approveAll(page);
  const [renamed] = await groups("Platform & Tools");
  assert.equal(renamed.id, made["Platform"].id, "renamed by its ID, not made anew");
  assert.equal(renamed.members.length, made["Platform"].members.length + 1);
  assert.equal((await groups("Legal"))[0].members.length, legal - 1);
  assert.equal((await groups("Platform")).length, 0);
});

test("deselect: the group stays as it is; selected again, it is the same group", async () => {
  await deselect("Sales");
  const before = await groups("Sales");
  const { jumpcloud } = await sandbox.state();
  const sales = jumpcloud.groups.find((group) => group.name === "Sales").users;
  const joiner = jumpcloud.groups.find((group) => group.name === "Design").users.find((user) => !sales.includes(user));
  await sandbox.click({ click: "add-user", group: "Sales", user: joiner });
  await plan(page, sandbox, "entra");
  const approve = page.getByRole("button", { name: "Approve all and apply" });
  if (await approve.count()) await approveAll(page);
  assert.deepEqual(await groups("Sales"), before, "nothing is deleted, emptied or changed");
  const group = await row(page, sandbox, "entra", "Sales");
  await group.getByText(/released/i).first().waitFor();
  await look(page, "entra-released");
  await select("Sales");
  await plan(page, sandbox, "entra");
  await approveAll(page);
  const after = await groups("Sales");
  assert.deepEqual(after.map((one) => one.id), before.map((one) => one.id), "no other group is made");
  assert.equal(after[0].members.length, before[0].members.length + 1);
});

test("r36 r37 r38 disable: nothing is written or deleted; on again, everything is a plan to approve", async () => {
  await page.goto(directory(sandbox, "entra"));
  await page.getByRole("button", { name: "Switch off" }).click();
  await page.getByRole("heading", { name: "Group management is off" }).waitFor();
  await look(page, "entra-off");
  const { jumpcloud, entra: before } = await sandbox.state();
  const writes = (await sandbox.writes("entra")).length;
  const marketing = jumpcloud.groups.find((group) => group.name === "Marketing").users;
  await sandbox.click({ click: "remove-user", group: "Marketing", user: marketing[0] });
  await page.goto(directory(sandbox, "entra", "/runs"));
  assert.equal(await page.getByRole("button", { name: /Sync now|Make a plan/ }).count(), 0, "nothing is offered while it is off");
  assert.deepEqual((await sandbox.state()).entra.groups, before.groups);
  await page.goto(directory(sandbox, "entra", "/enable"));
  const tick = page.getByRole("checkbox");
  if (await tick.count()) await tick.check();
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByText("Plans, and waits for approval").waitFor();
  await page.getByRole("button", { name: "Sync now" }).click();
  await page.locator("#live .badge:not(.busy)").first().waitFor({ timeout: 90_000 });
  assert.equal((await sandbox.writes("entra")).length, writes, "a sync only plans until it is approved (R38)");
  await plan(page, sandbox, "entra");
  await page.getByRole("article", { name: "Marketing" }).waitFor();
  await approveAll(page);
  const now = (await groups("Marketing")).find((group) => group.id === made["Marketing"].id);
  assert.equal(now.members.length, made["Marketing"].members.length - 1);
});

test("r13 a group whose email is taken away is released here too, and stays as it is", async () => {
  const before = await groups("Finance");
  await sandbox.click({ click: "set-email", group: "Finance", email: null });
  await plan(page, sandbox, "entra");
  const approve = page.getByRole("button", { name: "Approve all and apply" });
  if (await approve.count()) await approveAll(page);
  assert.deepEqual(await groups("Finance"), before);
  const group = await row(page, sandbox, "entra", "Finance");
  await group.getByText(/released/i).first().waitFor();
});

test("why: the chain of a person in a security group", async () => {
  const { jumpcloud } = await sandbox.state();
  const legal = jumpcloud.groups.find((group) => group.name === "Legal").users;
  const other = jumpcloud.users.find((user) => !legal.includes(user.id) && user.state !== "SUSPENDED");
  await page.goto(directory(sandbox, "entra", "/why"));
  await page.getByLabel("Person").fill(other.email);
  await page.getByLabel("Group", { exact: true }).fill("Legal");
  await page.getByRole("button", { name: "Why?" }).click();
  await page.getByText("The cause").waitFor({ timeout: 60_000 });
  await look(page, "entra-why");
});

test("r8 r33 no user was written, and JumpCloud was only read", async () => {
  const requests = await sandbox.requests();
  assert.deepEqual(requests.filter((one) => !["GET", "HEAD"].includes(one.method) && /\/users(\/[^/]+)?$/.test(one.path)), []);
  assert.deepEqual(await sandbox.writes("jumpcloud"), []);
});
