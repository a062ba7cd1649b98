// The first visit: from a store in which there is nothing to a first plan, as the pages lead.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { ended, look, signIn } from "./pages.mjs";
import { start } from "./sandbox.mjs";

let sandbox, browser, page;

before(async () => {
  sandbox = await start({ empty: true });
  browser = await launch();
  page = await browser.newPage();
});

after(async () => {
  await browser?.close();
  await sandbox?.stop();
});

test("an empty host leads to connecting JumpCloud, and tries the key", async () => {
  await signIn(page, sandbox);
  await page.getByRole("heading", { name: "No tenants yet" }).waitFor();
  await look(page, "first-empty");
  await page.getByRole("link", { name: "Add the first one" }).click();
  await page.getByLabel("What people call this organisation").fill("Larkspur & Co");
  await page.getByLabel("Short name").fill("larkspur");
  await page.getByLabel(/the API key of an administrator/).check();
  await page.getByLabel("Client secret or API key").fill("wrong");
  await page.getByText("Region, organisation ID and addresses").click();
  await page.getByLabel("Console address").fill(sandbox.jumpcloud);
  await look(page, "first-jumpcloud");
  await page.getByRole("button", { name: "Connect JumpCloud" }).click();
  await page.locator("#notice .note").waitFor({ timeout: 60_000 });
  assert.equal(await page.getByLabel("What people call this organisation").inputValue(), "Larkspur & Co");
  await look(page, "first-jumpcloud-refused");
  await page.getByLabel("Client secret or API key").fill(sandbox.jumpcloud_api_key);
  await page.getByRole("button", { name: "Connect JumpCloud" }).click();
  await page.getByText("JumpCloud is connected").waitFor({ timeout: 60_000 });
  await look(page, "first-choose");
});

test("then to a directory, with what to click at the vendor", async () => {
  await page.getByRole("link", { name: "Connect Google Workspace" }).click();
  await page.getByText("Domain-wide delegation").first().waitFor();
  await page.getByLabel("JumpCloud's ID of the directory").selectOption({ index: 0 });
  await page.getByLabel("Key of the service account (JSON)").fill(sandbox.google_service_account_key);
  await page.getByLabel("Administrator whom it acts for").fill(sandbox.google_admin);
  await page.getByText("Customer ID and addresses").click();
  await page.getByLabel("Address of the Admin SDK").fill(sandbox.google);
  await page.getByLabel("Token address").fill(sandbox.google_token);
  await look(page, "first-google");
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await page.getByText("The directory is connected").waitFor({ timeout: 60_000 });
});

test("then to groups, the switch, and the first plan", async () => {
  await page.goto(`${sandbox.url}/tenants/larkspur`);
  await page.getByRole("link", { name: "Choose groups and switch on" }).click();
  await page.getByRole("rowheader", { name: /All Staff/ }).waitFor({ timeout: 60_000 });
  await page.goto(`${sandbox.url}/tenants/larkspur/directories/google/enable`);
  await page.getByRole("checkbox").check();
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByRole("heading", { name: "Group management is on" }).waitFor();
  await page.getByRole("link", { name: "Plan", exact: true }).click();
  await page.getByRole("button", { name: "Make a plan" }).click();
  await ended(page);
  await page.getByRole("link", { name: "See the plan" }).click();
  await page.getByText("All Staff").first().waitFor();
  assert.deepEqual(await sandbox.writes("google"), [], "nothing is written before it is approved");
});

test("a token from elsewhere, a form of another session and a frame are refused", async () => {
  const other = await browser.newPage();
  const answer = await other.request.post(`${sandbox.url}/tenants/new`, { form: { title: "x", csrf: "y" } });
  assert.ok(answer.status() >= 400 || answer.url().includes("/sign-in"));
  const response = await page.goto(`${sandbox.url}/tenants`);
  const policy = response.headers()["content-security-policy"];
  assert.match(policy, /frame-ancestors 'none'/);
  assert.ok(!policy.includes("unsafe"));
});
