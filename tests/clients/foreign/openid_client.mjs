// A confidential app on npm openid-client, a certified OpenID Connect client that knows nothing of SMART.
import * as oidc from "openid-client";
import { serve } from "./site.mjs";

serve((registration, origin) => {
  let begun;
  return {
    "/launch": async (request, response, url) => {
      const fhir = url.searchParams.get("iss");
      const smart = await (await fetch(`${fhir}/.well-known/smart-configuration`)).json();
      const config = await oidc.discovery(
        new URL(smart.issuer),
        registration.client_id,
        {},
        oidc.ClientSecretBasic(registration.client_secret),
        { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] },
      );
      if (registration.forge_id_token) config[oidc.customFetch] = fetchForged;
      begun = { fhir, config, verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce() };
      const target = oidc.buildAuthorizationUrl(config, {
        redirect_uri: `${origin}/callback`,
        scope: registration.scope,
        launch: url.searchParams.get("launch"),
        aud: fhir,
        code_challenge: await oidc.calculatePKCECodeChallenge(begun.verifier),
        code_challenge_method: "S256",
        state: begun.state,
        nonce: begun.nonce,
      });
      response.writeHead(302, { Location: target.href }).end();
    },
    "/callback": async (request, response, url) => {
      const { fhir, config, verifier, state, nonce } = begun;
      // checks RFC 9207's iss, the state, the nonce, and the id_token's signature with the keys at jwks_uri
      const tokens = await oidc.authorizationCodeGrant(config, url, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      const user = await read(config, tokens, claims.fhirUser);
      const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
      const patient = await read(config, refreshed, `${fhir}/Patient/${refreshed.patient}`);
      const about = await oidc.fetchUserInfo(config, refreshed.access_token, claims.sub);
      await oidc.tokenRevocation(config, refreshed.refresh_token);
      return {
        issuer: config.serverMetadata().issuer,
        iss: claims.iss,
        aud: claims.aud,
        fhirUser: claims.fhirUser,
        amr: claims.amr,
        read: `${patient.resourceType}/${patient.id}`,
        readUser: `${user.resourceType}/${user.id}`,
        userinfo: about.fhirUser,
        scope: tokens.scope,
        encounter: tokens.encounter,
        sameUserAfterRefresh: refreshed.claims().sub === claims.sub,
        afterRevocation: await statusOf(config, refreshed, `${fhir}/Patient/${refreshed.patient}`),
      };
    },
  };
});

async function read(config, tokens, address) {
  const answer = await oidc.fetchProtectedResource(config, tokens.access_token, new URL(address), "GET");
  return answer.json();
}

async function statusOf(config, tokens, address) {
  const answer = await fetch(address, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
  return answer.status;
}

// The server's answer with one claim of the id_token changed: somebody in between.
async function fetchForged(address, options) {
  const answer = await fetch(address, options);
  const type = answer.headers.get("content-type") ?? "";
  if (!type.startsWith("application/json")) return answer;
  const content = await answer.json();
  if (content.id_token) {
    const [header, payload, signature] = content.id_token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url"));
    claims.fhirUser = claims.fhirUser.replace("prac-1", "prac-2");
    const forged = Buffer.from(JSON.stringify(claims)).toString("base64url");
    content.id_token = [header, forged, signature].join(".");
  }
  return new Response(JSON.stringify(content), { status: answer.status, headers: { "Content-Type": type } });
}
