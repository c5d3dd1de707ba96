// An app that registers itself with npm openid-client, reads its registration, and is launched from the EHR.
import * as oidc from "openid-client";
import { metadata, ownKey } from "./registering.mjs";
import { serve } from "./site.mjs";

serve((settings, origin) => {
  let config, begun;
  return {
    "/register": async () => {
      const smart = await (await fetch(`${settings.fhir}/.well-known/smart-configuration`)).json();
      const key = await ownKey();
      const authentication = {
        none: oidc.None(),
        client_secret_basic: oidc.ClientSecretBasic(),
        client_secret_post: oidc.ClientSecretPost(),
        private_key_jwt: oidc.PrivateKeyJwt(
          { key: key.privateKey, kid: key.jwk.kid },
          { [oidc.modifyAssertion]: (header) => Object.assign(header, { typ: "JWT" }) }, // SMART demands it
        ),
      }[settings.method];
      config = await oidc.dynamicClientRegistration(
        new URL(smart.issuer), metadata(settings, origin, key), authentication,
        { initialAccessToken: settings.initial_access_token, execute: [oidc.allowInsecureRequests] },
      );
      const registered = config.clientMetadata();
      const uri = new URL(registered.registration_client_uri);
      const answer = await oidc.fetchProtectedResource(config, registered.registration_access_token, uri, "GET");
      return { registered, read: await answer.json() };
    },
    "/launch": async (request, response, url) => {
      begun = { verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce() };
      const target = oidc.buildAuthorizationUrl(config, {
        redirect_uri: `${origin}/callback`,
        scope: settings.scope,
        launch: url.searchParams.get("launch"),
        aud: url.searchParams.get("iss"),
        code_challenge: await oidc.calculatePKCECodeChallenge(begun.verifier),
        code_challenge_method: "S256",
        state: begun.state,
        nonce: begun.nonce,
      });
      response.writeHead(302, { Location: target.href }).end();
    },
    "/callback": async (request, response, url) => {
      const tokens = await oidc.authorizationCodeGrant(config, url, {
        pkceCodeVerifier: begun.verifier,
        expectedState: begun.state,
        expectedNonce: begun.nonce,
        idTokenExpected: true,
      });
      const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
      const address = new URL(`${settings.fhir}/Patient/${refreshed.patient}`);
      const patient = await oidc.fetchProtectedResource(config, refreshed.access_token, address, "GET");
      return { scope: refreshed.scope, aud: tokens.claims().aud, read: (await patient.json()).id };
    },
  };
});
