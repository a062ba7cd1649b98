// Google's library for Node against the simulated Directory API.

import assert from "node:assert/strict";
import { admin } from "@googleapis/admin";
import { JWT } from "google-auth-library";
import { at, check, main, state } from "./harness.mjs";

const auth = new JWT({
  email: at.google_key.client_email,
  key: at.google_key.private_key,
  keyId: at.google_key.private_key_id,
  subject: "it-admin@larkspur.example",
  scopes: ["https://www.googleapis.com/auth/admin.directory.group"],
});
// The library has no setting for another token endpoint; the assertion goes on being made out to Google's.
auth.transporter.interceptors.request.add({
  resolved: async (config) => {
    if (String(config.url) === "https://oauth2.googleapis.com/token") {
      config.url = new URL(at.google_token);
    }
    return config;
  },
});
const directory = admin({ version: "directory_v1", auth, rootUrl: `${at.google}/` });
const full = "exactly-full@larkspur.example";

check("groups and members: every page", async () => {
  const found = [];
  let pageToken;
  do {
    const { data } = await directory.groups.list({ customer: "my_customer", maxResults: 200, pageToken });
    found.push(...data.groups);
    pageToken = data.nextPageToken;
  } while (pageToken);
  assert.equal(found.length, (await state()).google.tenant.groups.length);
  const members = [];
  do {
    const { data } = await directory.members.list({ groupKey: full, maxResults: 200, pageToken });
    members.push(...data.members);
    pageToken = data.nextPageToken;
  } while (pageToken);
  assert.equal(members.length, 400);
});

check("a group and a member: insert, patch, hasMember, delete", async () => {
  const email = "node@larkspur.example";
  const { data: group } = await directory.groups.insert({ requestBody: { email, name: "Node" } });
  await directory.groups.patch({ groupKey: group.id, requestBody: { description: "By Node" } });
  const member = "aisha.abara@larkspur.example";
  await directory.members.insert({ groupKey: email, requestBody: { email: member, role: "MEMBER" } });
  const { data } = await directory.members.hasMember({ groupKey: email, memberKey: member });
  assert.equal(data.isMember, true);
  const held = (await state()).google.tenant.groups.find((one) => one.email === email);
  assert.equal(held.description, "By Node");
  assert.equal(held.members.length, 1);
  await directory.members.delete({ groupKey: email, memberKey: member });
  await directory.groups.delete({ groupKey: email });
  assert.equal((await state()).google.tenant.groups.find((one) => one.email === email), undefined);
});

check("errors: the reason can be read", async () => {
  await assert.rejects(directory.groups.insert({ requestBody: { email: full } }), (error) => {
    assert.equal(error.status, 409);
    assert.equal(error.response.data.error.errors[0].reason, "duplicate");
    return true;
  });
});

await main("@googleapis/admin");
