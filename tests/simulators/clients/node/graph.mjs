// Microsoft's libraries for Node (microsoft-graph-client, msal-node) against the simulated Graph and login.

import assert from "node:assert/strict";
import { ConfidentialClientApplication } from "@azure/msal-node";
import { BatchRequestContent, BatchResponseContent, Client, PageIterator } from "@microsoft/microsoft-graph-client";
import { at, check, main, state } from "./harness.mjs";

const login = new ConfidentialClientApplication({
  auth: {
    clientId: at.entra.client_id,
    clientSecret: at.entra.client_secret,
    authority: `${at.login}/${at.entra.tenant_id}`,
    knownAuthorities: [new URL(at.login).host],
  },
});

async function token() {
  const { accessToken } = await login.acquireTokenByClientCredential({
    scopes: ["https://graph.microsoft.com/.default"],
  });
  return accessToken;
}

const graph = Client.initWithMiddleware({
  authProvider: { getAccessToken: token },
  baseUrl: at.graph,
  customHosts: new Set([new URL(at.graph).hostname]),
});
const full = "11111111-0000-4000-8000-000000000000";

check("msal-node gets a token", async () => {
  assert.ok(await token());
});

check("members: PageIterator reads every page", async () => {
  const found = [];
  const page = await graph.api(`/groups/${full}/members`).get();
  await new PageIterator(graph, page, (member) => found.push(member.id) > 0).iterate();
  assert.equal(new Set(found).size, 200);
});

check("a group: create, patch, add and remove a member, delete", async () => {
  const made = await graph.api("/groups").post({
    displayName: "Node",
    mailEnabled: false,
    mailNickname: "node",
    securityEnabled: true,
    groupTypes: [],
  });
  await graph.api(`/groups/${made.id}`).patch({ description: "By Node" });
  const { value } = await graph.api("/users").filter("startswith(userPrincipalName,'aisha.abara')").get();
  await graph
    .api(`/groups/${made.id}/members/$ref`)
    .post({ "@odata.id": `https://graph.microsoft.com/v1.0/directoryObjects/${value[0].id}` });
  let held = (await state()).entra.tenant.groups.find((group) => group.id === made.id);
  assert.equal(held.description, "By Node");
  assert.deepEqual(held.members.map((member) => member.id), [value[0].id]);
  await graph.api(`/groups/${made.id}/members/${value[0].id}/$ref`).delete();
  await graph.api(`/groups/${made.id}`).delete();
  held = (await state()).entra.tenant.groups.find((group) => group.id === made.id);
  assert.equal(held, undefined);
});

check("a batch through BatchRequestContent, with a dependency", async () => {
  // Addresses in a batch are relative, which Node's own Request cannot hold.
  const request = (url) => ({ url, method: "GET", headers: new Headers() });
  const content = new BatchRequestContent([
    { id: "1", request: request(`/groups/${full}`) },
    { id: "2", request: request("/groups/99999999-9999-4999-8999-999999999999"), dependsOn: ["1"] },
    { id: "3", request: request("/users?$top=1"), dependsOn: ["2"] },
  ]);
  const answers = new BatchResponseContent(await graph.api("/$batch").post(await content.getContent()));
  assert.equal((await answers.getResponseById("1").json()).displayName, "Exactly full");
  assert.equal(answers.getResponseById("2").status, 404);
  assert.equal(answers.getResponseById("3").status, 424);
});

check("errors: status, code and message", async () => {
  await assert.rejects(graph.api("/groups/99999999-9999-4999-8999-999999999999").get(), (error) => {
    assert.equal(error.statusCode, 404);
    assert.equal(error.code, "Request_ResourceNotFound");
    return true;
  });
});

await main("microsoft-graph-client");
