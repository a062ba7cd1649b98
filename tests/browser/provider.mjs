// A small, strict OpenID provider for the tests. It has a page on which a person says who they are, as a real one has;
// it gives out a code for what was asked exactly, once, and a token only for the code's own client, redirect and
// verifier. What a client does wrong is answered with an error and kept in `faults`.
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { createServer } from "node:http";

const encoded = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const escaped = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** Starts one. `people`: email to `{ name, groups }`; `client`: `{ id, secret, redirect, home }`, set before its first request. */
export async function startProvider(people) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...publicKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: "k1" };
  const provider = { client: undefined, faults: [], signedIn: 0, signedOut: 0 };
  const [asked, codes] = [new Map(), new Map()];
  let issuer;

  const routes = {
    "GET /.well-known/openid-configuration": () => json({
      issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/keys`,
      end_session_endpoint: `${issuer}/end`, response_types_supported: ["code"], subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"], code_challenge_methods_supported: ["S256"],
    }),
    "GET /keys": () => json({ keys: [jwk] }),
    "GET /authorize": ({ query }) => {
      const { id, redirect } = provider.client;
      const scopes = (query.scope ?? "").split(" ");
      if (query.client_id !== id) return wrong("the client is not known");
      // Never sent anywhere: whoever could choose the address would get the code.
      if (query.redirect_uri !== redirect) return wrong("the redirect address is not the client's");
      if (query.response_type !== "code" || query.code_challenge_method !== "S256") return wrong("only codes with S256 are given");
      if (!/^[\w-]{43}$/.test(query.code_challenge ?? "")) return wrong("the challenge is none");
      if (!(query.state?.length >= 16 && query.nonce?.length >= 16)) return wrong("state and nonce can be guessed");
      if (!scopes.includes("openid") || !scopes.includes("email")) return wrong("the scopes lack openid or email");
      const request = randomBytes(16).toString("hex");
      asked.set(request, query);
      return html(`<h1>Who are you?</h1><form method="post" action="/choose"><input type="hidden" name="request" value="${request}">
        ${Object.entries(people).map(([email, { name }]) => `<p><button name="email" value="${escaped(email)}">${escaped(name)}</button></p>`).join("")}
        <p><button name="email" value="">Cancel</button></p></form>`);
    },
    "POST /choose": ({ form }) => {
      const query = asked.get(form.request);
      asked.delete(form.request);
      if (!query) return wrong("nothing of the kind was asked");
      const back = new URL(query.redirect_uri);
      back.searchParams.set("state", query.state);
      if (!form.email) {
        back.searchParams.set("error", "access_denied");
        return redirect(back);
      }
      const code = randomBytes(16).toString("hex");
      codes.set(code, { ...query, email: form.email, until: Date.now() + 60_000 });
      back.searchParams.set("code", code);
      return redirect(back);
    },
    "POST /token": ({ form, headers }) => {
      const { id, secret } = provider.client;
      if (headers.authorization !== `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`) return refused("invalid_client");
      const given = codes.get(form.code);
      codes.delete(form.code);
      const challenge = createHash("sha256").update(form.code_verifier ?? "").digest("base64url");
      if (!given || given.until < Date.now() || form.grant_type !== "authorization_code") return refused("invalid_grant");
      if (given.redirect_uri !== form.redirect_uri || given.code_challenge !== challenge) return refused("invalid_grant");
      const now = Math.floor(Date.now() / 1000);
      const { name, groups } = people[given.email];
      const claims = {
        iss: issuer, aud: id, sub: createHash("sha256").update(given.email).digest("hex"), iat: now, exp: now + 300,
        nonce: given.nonce, email: given.email, email_verified: true, name, groups: groups ?? [],
      };
      const content = `${encoded({ alg: "ES256", kid: "k1", typ: "JWT" })}.${encoded(claims)}`;
      const signature = sign("sha256", Buffer.from(content), { key: privateKey, dsaEncoding: "ieee-p1363" });
      provider.signedIn += 1;
      return json({ access_token: randomBytes(16).toString("hex"), token_type: "Bearer", id_token: `${content}.${signature.toString("base64url")}` });
    },
    "GET /end": ({ query }) => {
      const { id, home } = provider.client;
      if (query.client_id !== id || query.post_logout_redirect_uri !== home) return wrong("whoever signs out came from elsewhere");
      provider.signedOut += 1;
      return redirect(home);
    },
  };

  const answer = (status, type, body, headers = {}) => ({ status, headers: { "content-type": type, "cache-control": "no-store", ...headers }, body });
  const json = (value, status = 200) => answer(status, "application/json", JSON.stringify(value));
  const html = (body, status = 200) => answer(status, "text/html; charset=utf-8", `<!doctype html><html lang="en"><title>Sign in at the provider</title><body>${body}</body></html>`);
  const redirect = (to) => answer(303, "text/plain", "", { location: `${to}` });
  const wrong = (why) => {
    provider.faults.push(why);
    return html(`<h1>Refused</h1><p>${escaped(why)}</p>`, 400);
  };
  const refused = (error) => {
    provider.faults.push(error);
    return json({ error }, 400);
  };

  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const url = new URL(request.url, issuer);
    const route = routes[`${request.method} ${url.pathname}`];
    const given = { query: Object.fromEntries(url.searchParams), form: Object.fromEntries(new URLSearchParams(body)), headers: request.headers };
    const { status, headers, body: content } = route ? route(given) : answer(404, "text/plain", "nothing here");
    response.writeHead(status, headers).end(content);
  });
  // By another name than the console's, so that the browser takes it for another site, as it does a real one.
  await new Promise((ready) => server.listen(0, "localhost", ready));
  issuer = `http://localhost:${server.address().port}`;
  provider.issuer = issuer;
  provider.stop = () => new Promise((ended) => {
    server.close(ended);
    server.closeAllConnections();
  });
  return provider;
}
