// Many: a thousand tenants in the list, five thousand groups in a directory. Pages hold so many rows and no more, whatever
// there is; searching and paging is the server's; a page asks the vendor nothing again. Times are told, not judged: they
// are this machine's.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { directory, ended, look, signIn } from "./pages.mjs";
import { start } from "./sandbox.mjs";

const [TENANTS, GROUPS] = [1000, 5000];
const ROWS = 50;
/** A page of fifty rows is smaller than this. */
const LARGEST = 160_000;

let sandbox, browser, page;

before(async () => {
  sandbox = await start({ options: ["--tenants", `${TENANTS}`, "--size", `1000x${GROUPS}x10000`] });
  browser = await launch();
  page = await browser.newPage();
  await signIn(page, sandbox);
  await page.getByRole("heading", { level: 1, name: "Tenants" }).waitFor();
});

after(async () => {
  await browser?.close();
  await sandbox?.stop();
});

/** Opens a page, counts what the browser asks for, and tells how long the first byte took. */
async function measured(t, url, what) {
  const asked = [];
  const note = (request) => asked.push(request.url());
  page.on("request", note);
  const answer = await page.goto(url);
  await page.waitForLoadState("load");
  page.off("request", note);
  const [timing, bytes] = await page.evaluate(() => {
    const { requestStart, responseStart, decodedBodySize } = performance.getEntriesByType("navigation")[0];
    return [responseStart - requestStart, decodedBodySize];
  });
  t.diagnostic(`${what}: first byte after ${Math.round(timing)} ms, ${bytes} bytes, ${asked.length} requests`);
  assert.equal(answer.status(), 200);
  assert.ok(bytes < LARGEST, `${what}: ${bytes} bytes`);
  const pages = asked.filter((one) => !new URL(one).pathname.startsWith("/assets/"));
  assert.deepEqual(pages, [url], `${what}: nothing but the page and its style and scripts`);
}

const rows = () => page.locator("#list tbody tr");
const names = () => page.locator("#list tbody th a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));

/** Goes through all pages of a list, and gives every row's address. */
async function through() {
  const seen = [];
  for (let pages = 1; ; pages += 1) {
    const here = await names();
    assert.ok(here.length <= ROWS, `${here.length} rows on a page`);
    seen.push(...here);
    const next = page.getByRole("link", { name: /Next/ });
    if ((await next.count()) === 0) return { seen, pages };
    await page.goto(new URL(await next.getAttribute("href"), page.url()).href);
  }
}

test("a thousand tenants: fifty on a page, each once", async (t) => {
  await measured(t, `${sandbox.url}/tenants`, "tenants");
  assert.equal(await rows().count(), ROWS);
  assert.equal(await page.getByText("Cannot run").count(), 0);
  await look(page, "many-tenants");
  const began = Date.now();
  const { seen, pages } = await through();
  t.diagnostic(`${pages} pages of tenants in ${Date.now() - began} ms`);
  assert.equal(seen.length, TENANTS + 1);
  assert.equal(new Set(seen).size, seen.length);
  assert.equal(pages, Math.ceil((TENANTS + 1) / ROWS));
});

test("a thousand tenants: searching is the server's, when somebody has stopped typing", async (t) => {
  await page.goto(`${sandbox.url}/tenants`);
  const asked = [];
  page.on("request", (request) => new URL(request.url()).pathname === "/tenants" && asked.push(request.url()));
  await page.getByLabel("Search").pressSequentially("customer-077", { delay: 10 });
  await page.waitForFunction(() => document.querySelectorAll("#list tbody tr").length === 10);
  t.diagnostic(`searched with ${asked.length} requests`);
  assert.ok(asked.length >= 1 && asked.length <= 2, `${asked.length} requests: ${asked}`);
  page.removeAllListeners("request");
  await measured(t, `${sandbox.url}/tenants?search=Kingfisher`, "tenants found by title");
  assert.equal(await rows().count(), ROWS);
  await page.getByText("Kingfisher").first().waitFor();
  await measured(t, `${sandbox.url}/tenants/customer-0777`, "one tenant of a thousand");
});

test("five thousand groups: fifty on a page, and the next page asks JumpCloud nothing", async (t) => {
  const list = directory(sandbox, "google", "/groups");
  await page.goto(list);
  await rows().first().waitFor({ timeout: 120_000 });
  const asked = (await sandbox.requests()).length;
  await measured(t, list, "groups");
  assert.equal(await rows().count(), ROWS);
  await look(page, "many-groups");
  const began = Date.now();
  const { seen, pages } = await through();
  t.diagnostic(`${pages} pages of groups in ${Date.now() - began} ms`);
  assert.equal(new Set(seen).size, GROUPS);
  assert.equal(pages, GROUPS / ROWS);
  await measured(t, `${list}?search=Group+0431`, "groups found by name");
  assert.equal(await rows().count(), 10);
  const since = (await sandbox.requests()).length - asked;
  assert.ok(since <= asked, `a page turned is no reading of JumpCloud: ${since} requests for ${pages} pages, ${asked} for all groups`);
});

test("five thousand groups: a plan of them is read page by page, and the groups say what it said", async (t) => {
  await page.goto(directory(sandbox, "google", "/enable"));
  const tick = page.getByRole("checkbox");
  if (await tick.count()) await tick.check();
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByRole("heading", { name: "Group management is on" }).waitFor({ timeout: 120_000 });
  await page.getByRole("link", { name: "Plan", exact: true }).click();
  const began = Date.now();
  await page.getByRole("button", { name: "Make a plan" }).click();
  await ended(page, 600_000);
  t.diagnostic(`planned in ${Date.now() - began} ms`);
  await page.getByRole("link", { name: "See the plan" }).click();
  await page.getByRole("heading", { level: 1, name: /^Plan / }).waitFor();
  const asked = (await sandbox.requests()).length;
  await measured(t, page.url(), "a plan");
  assert.ok((await page.getByRole("article").count()) <= 100);
  await measured(t, directory(sandbox, "google", "/groups"), "groups after the plan, for the first time");
  await measured(t, directory(sandbox, "google", "/groups"), "groups after the plan");
  await page.getByText("pending").first().waitFor();
  await measured(t, directory(sandbox, "google", "/groups?only=trouble"), "groups in trouble");
  await measured(t, directory(sandbox, "google", "/plans"), "plans");
  await measured(t, directory(sandbox, "google"), "details");
  t.diagnostic(`${(await sandbox.requests()).length - asked} requests to vendors`);
});
