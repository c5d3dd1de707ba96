// The same with npm oauth4webapi, the library below, whose checks of each answer are called one by one.
import * as oauth from "oauth4webapi";
import { metadata, ownKey } from "./registering.mjs";
import { serve } from "./site.mjs";

const insecure = { [oauth.allowInsecureRequests]: true }; // the demo speaks http on loopback

serve((settings, origin) => {
  let as, client, authentication, begun;
  return {
    "/register": async () => {
      const smart = await (await fetch(`${settings.fhir}/.well-known/smart-configuration`)).json();
      const issuer = new URL(smart.issuer);
      as = await oauth.processDiscoveryResponse(
        issuer, await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
      );
      const key = await ownKey();
      const answer = await oauth.dynamicClientRegistrationRequest(as, metadata(settings, origin, key), {
        initialAccessToken: settings.initial_access_token, ...insecure,
      });
      client = await oauth.processDynamicClientRegistrationResponse(answer);
      authentication = {
        none: () => oauth.None(),
        client_secret_basic: () => oauth.ClientSecretBasic(client.client_secret),
        client_secret_post: () => oauth.ClientSecretPost(client.client_secret),
        private_key_jwt: () => oauth.PrivateKeyJwt(
          { key: key.privateKey, kid: key.jwk.kid },
          { [oauth.modifyAssertion]: (header) => Object.assign(header, { typ: "JWT" }) },
        ),
      }[settings.method]();
      const uri = new URL(client.registration_client_uri);
      const read = await resource(client.registration_access_token, uri);
      return { registered: client, read };
    },
    "/launch": async (request, response, url) => {
      begun = { verifier: oauth.generateRandomCodeVerifier(), state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() };
      const target = new URL(as.authorization_endpoint);
      target.search = new URLSearchParams({
        response_type: "code",
        client_id: client.client_id,
        redirect_uri: `${origin}/callback`,
        scope: settings.scope,
        launch: url.searchParams.get("launch"),
        aud: url.searchParams.get("iss"),
        code_challenge: await oauth.calculatePKCECodeChallenge(begun.verifier),
        code_challenge_method: "S256",
        state: begun.state,
        nonce: begun.nonce,
      });
      response.writeHead(302, { Location: target.href }).end();
    },
    "/callback": async (request, response, url) => {
      const parameters = oauth.validateAuthResponse(as, client, url, begun.state);
      const answer = await oauth.authorizationCodeGrantRequest(
        as, client, authentication, parameters, `${origin}/callback`, begun.verifier, insecure,
      );
      const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, {
        expectedNonce: begun.nonce, requireIdToken: true,
      });
      const again = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, insecure);
      const refreshed = await oauth.processRefreshTokenResponse(as, client, again);
      const patient = await resource(refreshed.access_token, new URL(`${settings.fhir}/Patient/${refreshed.patient}`));
      return { scope: refreshed.scope, aud: oauth.getValidatedIdTokenClaims(tokens).aud, read: patient.id };
    },
  };
});

async function resource(token, url) {
  return (await oauth.protectedResourceRequest(token, "GET", url, undefined, undefined, insecure)).json();
}
