// Signing in by an identity provider, with everything that a browser adds to it: another site, redirects, cookies, the
// content policy. The host has its tenant in the configuration file, so what stands there is read-only too.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { freePort, serve } from "./host.mjs";
import { look } from "./pages.mjs";
import { startProvider } from "./provider.mjs";
import { start } from "./sandbox.mjs";

const PEOPLE = {
  "ada@larkspur.example": { name: "Ada Admin" },
  "vera@larkspur.example": { name: "Vera Viewer" },
  "omar@larkspur.example": { name: "Omar Operator", groups: ["On-Call"] },
  "nora@larkspur.example": { name: "Nora Nobody" },
};
const SECRET = "the-clients-secret-of-the-test";

let sandbox, provider, host, browser;
const problems = [];

before(async () => {
  [sandbox, provider, browser] = await Promise.all([start({ empty: true }), startProvider(PEOPLE), launch()]);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  provider.client = { id: "groupcast-console", secret: SECRET, redirect: `${url}/sign-in/oidc/callback`, home: `${url}/sign-in` };
  host = await serve(port, {
    "groupcast.toml": configuration(port),
    "client-secret": SECRET,
    "jumpcloud-api-key": sandbox.jumpcloud_api_key,
    "google.json": sandbox.google_service_account_key,
  });
});

after(async () => {
  await browser?.close();
  await host?.stop();
  await provider?.stop();
  await sandbox?.stop();
  assert.deepEqual(problems, [], "what the browser complained of");
});

const configuration = (port) => `
[network]
ca_file = "${sandbox.ca_file}"
allow_networks = ["127.0.0.0/8"]

[service]
listen = "127.0.0.1:${port}"
requests_per_minute = 6000

[service.oidc]
issuer = "${provider.issuer}"
client_id = "groupcast-console"
client_secret = { file = "client-secret" }
admins = ["email:ada@larkspur.example"]

[tenant.larkspur.jumpcloud]
base_url = "${sandbox.jumpcloud}"
api_key = { file = "jumpcloud-api-key" }

[tenant.larkspur.google]
directory = "65f1c0de0000000000000001"
base_url = "${sandbox.google}"
token_url = "${sandbox.google_token}"
service_account_key = { file = "google.json" }
admin = "${sandbox.google_admin}"
schedule = { cron = "0 5 * * *", timezone = "Europe/London", jitter_seconds = 90, quiet = [{ from = "22:00", until = "06:00", days = ["fri"] }] }
`;

/** A browser of somebody of their own. */
async function visitor() {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => problems.push(`${page.url()}: ${error}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of (401|403|404|409|422)/.test(message.text())) problems.push(`${page.url()}: ${message.text()}`);
  });
  return { context, page };
}

/** By the button, and at the provider as this person. */
async function signIn(page, name, path = "/sign-in") {
  await page.goto(`${host.url}${path}`);
  await page.getByRole("link", { name: "Sign in with localhost" }).click();
  await page.getByRole("heading", { name: "Who are you?" }).waitFor();
  assert.ok(page.url().startsWith(provider.issuer), "the provider asks, not the console");
  await page.getByRole("button", { name, exact: true }).click();
}

const session = async (context) => (await context.cookies(host.url)).find((cookie) => cookie.name === "groupcast");

let ada;

test("an administrator signs in by the button and comes back to where they wanted to go, with their role", async () => {
  ada = await visitor();
  const { page, context } = ada;
  await page.goto(`${host.url}/access`);
  await page.getByRole("link", { name: "Sign in with localhost" }).waitFor();
  await look(page, "sign-in-provider");
  await page.getByRole("link", { name: "Sign in with localhost" }).click();
  await page.getByRole("button", { name: "Ada Admin" }).click();
  await page.getByRole("heading", { level: 1, name: "Access" }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/access");
  await page.getByText("Ada Admin").filter({ visible: true }).waitFor();
  await page.getByText("admin of this host").filter({ visible: true }).waitFor();
  const cookie = await session(context);
  assert.ok(cookie.httpOnly && cookie.sameSite === "Lax", "no script and no other site has the session");
  assert.ok(!(await context.cookies(host.url)).some((one) => one.name === "groupcast-sign-in"), "what was begun is forgotten");
  await look(page, "access-provider");
});

test("whoever was granted nothing sees why, and is not signed in", async () => {
  const { page, context } = await visitor();
  await signIn(page, "Nora Nobody");
  await page.getByText("You are known, but were granted nothing here").waitFor();
  await page.getByText("Ask an administrator of this host to grant you a role").waitFor();
  await look(page, "sign-in-refused");
  assert.equal(await session(context), undefined);
  await page.goto(`${host.url}/tenants`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor({ state: "attached" });
  await context.close();
});

test("whoever cancels at the provider is told so", async () => {
  const { page, context } = await visitor();
  await signIn(page, "Cancel");
  await page.getByText("The identity provider did not sign you in").waitFor();
  assert.equal(await session(context), undefined);
  await context.close();
});

test("a role that is granted is the one that a person has: a viewer by address, an operator by group", async () => {
  const { page } = ada;
  for (const [kind, subject, role] of [["email", "vera@larkspur.example", "viewer"], ["group", "On-Call", "operator"]]) {
    await page.goto(`${host.url}/tenants/larkspur/access`);
    await page.getByLabel("To", { exact: true }).selectOption(kind);
    await page.getByLabel("Address or group").fill(subject);
    await page.getByLabel("Role", { exact: true }).selectOption(role);
    await page.getByRole("button", { name: "Grant", exact: true }).click();
    await page.getByText("The role was granted").waitFor();
  }
  const directory = `${host.url}/tenants/larkspur/directories/google`;
  const vera = await visitor();
  await signIn(vera.page, "Vera Viewer");
  await vera.page.getByText("Vera Viewer").filter({ visible: true }).waitFor();
  assert.ok(vera.page.url().endsWith("/tenants/larkspur"), "who sees one tenant is led to it");
  await vera.page.getByText("viewer", { exact: true }).filter({ visible: true }).waitFor();
  await vera.page.goto(directory);
  assert.equal(await vera.page.getByRole("button", { name: /Pause|Make a plan|Sync/ }).count(), 0, "a viewer is offered nothing");
  await vera.page.goto(`${host.url}/tenants/larkspur/secrets`);
  await vera.page.getByText("Your role does not allow this").waitFor();
  const omar = await visitor();
  await signIn(omar.page, "Omar Operator");
  await omar.page.getByText("operator", { exact: true }).filter({ visible: true }).waitFor();
  await omar.page.goto(directory);
  await omar.page.getByRole("button", { name: "Pause" }).waitFor();
  // What is taken away is gone at the next click, not at the next sign-in.
  await page.goto(`${host.url}/tenants/larkspur/access`);
  await page.getByRole("row", { name: /vera@larkspur/ }).getByRole("button").click();
  await page.getByText("It was removed").waitFor();
  await vera.page.goto(directory);
  await vera.page.getByRole("heading", { name: "Sign in" }).waitFor({ state: "attached" });
  await vera.context.close();
  await omar.context.close();
});

test("an answer that belongs to a sign-in of somebody else, or to none, is refused", async () => {
  // The attacker's own answer, kept from being used, then opened in the victim's browser (login CSRF).
  const attacker = await visitor();
  let stolen;
  await attacker.page.route("**/choose", async (route) => {
    const answer = await route.fetch({ maxRedirects: 0 });
    stolen = answer.headers().location;
    await route.fulfill({ status: 200, contentType: "text/plain", body: "kept back" });
  });
  await signIn(attacker.page, "Ada Admin");
  await attacker.page.getByText("kept back").waitFor();
  assert.match(stolen ?? "", /code=\w+/);
  const given = provider.signedIn;
  const victim = await visitor();
  await victim.page.goto(stolen);
  await victim.page.getByText("This sign-in was not begun here, or took too long").waitFor();
  assert.equal(await session(victim.context), undefined);
  // With a sign-in of one's own under way, the other's state does not fit either.
  await victim.page.goto(`${host.url}/sign-in`);
  await victim.page.getByRole("link", { name: "Sign in with localhost" }).click();
  await victim.page.getByRole("heading", { name: "Who are you?" }).waitFor();
  await victim.page.goto(stolen);
  await victim.page.getByText("This sign-in was not begun here, or took too long").waitFor();
  assert.equal(await session(victim.context), undefined);
  assert.equal(provider.signedIn, given, "the code was never shown to the provider");
  await attacker.context.close();
  await victim.context.close();
});

test("a form of another session signs nobody out, and a session that has ended opens nothing", async () => {
  const { page, context } = ada;
  await page.goto(`${host.url}/access`);
  const refused = await page.evaluate(async () => (await fetch("/sign-out", { method: "POST", body: new URLSearchParams({ csrf: "another" }) })).status);
  assert.equal(refused, 403);
  const before = await session(context);
  assert.ok(before, "the session goes on");
  await page.goto(`${host.url}/access`);
  await page.getByRole("button", { name: "Sign out" }).first().click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor({ state: "attached" });
  assert.equal(provider.signedOut, 1, "it ends at the provider too");
  assert.equal(await session(context), undefined);
  await page.goBack();
  await page.getByRole("heading", { name: "Sign in" }).waitFor({ state: "attached" });
  const thief = await visitor();
  await thief.context.addCookies([before]);
  await thief.page.goto(`${host.url}/access`);
  await thief.page.getByRole("heading", { name: "Sign in" }).waitFor({ state: "attached" });
  await thief.context.close();
});

test("what stands in the configuration file is shown, says where it is changed, and has no forms", async () => {
  await signIn(ada.page, "Ada Admin");
  const home = `${host.url}/tenants/larkspur`;
  for (const [path, told] of [
    ["/directories/google", "This directory is declared in groupcast.toml"],
    ["/directories/google/groups", "This directory is declared in groupcast.toml"],
    ["/directories/google/schedule", "This directory is declared in groupcast.toml"],
    ["/directories/google/limits", "This directory is declared in groupcast.toml"],
    ["/settings", "This tenant is declared in groupcast.toml"],
  ]) {
    await ada.page.goto(`${home}${path}`);
    await ada.page.getByText(told).first().waitFor({ timeout: 60_000 });
    const forms = await ada.page.evaluate(() => [...document.querySelectorAll("main form[method=post]")].map((form) => new URL(form.action).pathname));
    const work = /\/(pause|resume|work|release)$/;
    assert.deepEqual(forms.filter((form) => !work.test(form)), [], `${path} offers a change`);
    await look(ada.page, `declared${path.replaceAll("/", "-")}`);
  }
  await ada.page.goto(`${home}/directories/google`);
  await ada.page.getByText("0 5 * * *").first().waitFor();
  // A form that somebody makes up is refused with the same words.
  const refused = await ada.page.evaluate(async () => {
    const csrf = document.querySelector("input[name=csrf]").value;
    const answer = await fetch(`${location.pathname}/limits`, { method: "POST", body: new URLSearchParams({ csrf, version: "1" }) });
    return [answer.status, await answer.text()];
  });
  assert.equal(refused[0], 409);
  assert.match(refused[1], /configuration file/);
  await ada.context.close();
});

test("the provider found nothing wrong with what the console asked of it", () => {
  assert.deepEqual(provider.faults, []);
  assert.ok(!host.said().includes(SECRET), "the client's secret is in no log line");
});
