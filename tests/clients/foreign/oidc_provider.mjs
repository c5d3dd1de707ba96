// The hospital's sign-in provider: npm oidc-provider as it comes, with its own sign-in pages. The registration of the one
// client comes in on stdin, the issuer goes out on stdout. Whoever types "doctor" is doctor, with any password.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import Provider from "oidc-provider";

const { client, people } = JSON.parse(await text(process.stdin));
const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [client],
  cookies: { keys: ["a key of the tests"] },
  claims: { openid: ["sub", "acr", "auth_time", "amr"], profile: ["name", "fhirUser"] },
  features: {
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    devInteractions: { enabled: true },
  },
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // it would call no loopback address by itself
  pkce: { required: () => true },
  ttl: { Session: 3600, Grant: 3600, Interaction: 600, AccessToken: 60, IdToken: 300 },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});
server.on("request", provider.callback());
process.stdout.write(`${issuer}\n`);
