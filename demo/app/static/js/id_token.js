// Who is the user? SMART's steps for using an id_token, done with the browser's own cryptography.

import { Problem } from "./problem.js";

const LEEWAY = 30; // seconds between two clocks

export function bytes(base64url) {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

const json = (part) => JSON.parse(new TextDecoder().decode(bytes(part)));

const untrusted = (why) =>
  new Problem("The app cannot be sure who you are", "The sign-in is not used. Start again; if it happens again, tell the hospital.", why);

/**
 * Returns the claims and a sentence for each check that held; throws a Problem otherwise.
 * `expected` has the issuer that was asked, the app's client id, the nonce it sent and the time in seconds.
 */
export async function verify(token, expected, network) {
  const parts = token.split(".");
  if (parts.length !== 3) throw untrusted("The id_token is not made of three parts.");
  const [header, claims] = [json(parts[0]), json(parts[1])];
  if (claims.iss !== expected.issuer) throw untrusted(`It was issued by ${claims.iss}, and ${expected.issuer} was asked.`);

  const configuration = await network.document("The issuer's configuration", `${claims.iss}/.well-known/openid-configuration`);
  if (configuration.issuer !== claims.iss) throw untrusted("The issuer's configuration carries another name.");
  const { keys } = await network.document("The issuer's public keys", configuration.jwks_uri);

  if (header.alg !== "RS256") throw untrusted(`It is signed with ${header.alg}; only RS256 is expected.`);
  const found = keys.find((key) => key.kty === "RSA" && key.kid === header.kid);
  if (!found) throw untrusted("It is signed with a key that the issuer does not publish.");
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("jwk", { kty: found.kty, n: found.n, e: found.e }, algorithm, false, ["verify"]);
  const signed = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
  if (!(await crypto.subtle.verify(algorithm, key, bytes(parts[2]), signed))) throw untrusted("The signature is wrong.");

  const audience = [claims.aud].flat();
  if (!audience.includes(expected.clientId)) throw untrusted("It was made for another app.");
  if (!(claims.exp + LEEWAY > expected.now)) throw untrusted("It has expired.");
  if (claims.nonce !== expected.nonce) throw untrusted("It answers another sign-in than the one this app began.");
  return {
    header,
    claims,
    checks: [
      `Issuer read from the token, and it is the one that was asked: ${claims.iss}`,
      "Its configuration fetched, where its keys are",
      `Its public keys fetched; the token names ${header.kid}`,
      "Signature, audience, time and nonce are right",
      claims.fhirUser ? "fhirUser can be trusted as the user's FHIR resource" : "No fhirUser was granted, so the user stays unnamed",
    ],
  };
}
