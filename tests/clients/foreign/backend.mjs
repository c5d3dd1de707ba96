// A backend service on npm openid-client: a certified client that signs its own assertion with each of its keys.
// Settings come in on stdin as one JSON object; the report goes out on stdout.
import { text } from "node:stream/consumers";
import * as oidc from "openid-client";

const HASH = { RS384: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384" }, ES384: { name: "ECDSA", namedCurve: "P-384" } };

const settings = JSON.parse(await text(process.stdin));
const smart = await (await fetch(`${settings.fhir}/.well-known/smart-configuration`)).json();
const report = {};
for (const jwk of settings.keys) {
  const key = await crypto.subtle.importKey("jwk", jwk, HASH[jwk.alg], false, ["sign"]);
  const authentication = oidc.PrivateKeyJwt(
    { key, kid: jwk.kid },
    { [oidc.modifyAssertion]: (header) => Object.assign(header, { typ: "JWT" }) }, // SMART demands it, this client sends none
  );
  const config = await oidc.discovery(new URL(smart.issuer), settings.client_id, {}, authentication, {
    execute: [oidc.allowInsecureRequests],
  });
  const tokens = await oidc.clientCredentialsGrant(config, { scope: settings.scope });
  const answer = await oidc.fetchProtectedResource(
    config, tokens.access_token, new URL(`${settings.fhir}/${settings.search}`), "GET",
  );
  const bundle = await answer.json();
  report[jwk.alg] = {
    scope: tokens.scope,
    expires_in: tokens.expires_in,
    token_type: tokens.token_type,
    refresh_token: tokens.refresh_token ?? null,
    types: [...new Set(bundle.entry.map((entry) => entry.resource.resourceType))],
    patients: bundle.total > 5,
  };
}
process.stdout.write(JSON.stringify(report));
