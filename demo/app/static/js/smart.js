// SMART App Launch 2.2 for an app in the browser: discovery, PKCE, authorization, token, refresh, revocation.

import { pretty, shortened } from "./dom.js";
import { forget, keep, recall } from "./memory.js";
import { Network } from "./network.js";
import { Problem, startAgain } from "./problem.js";

const app = () => document.body.dataset; // fhir, client, redirect, ehr

export const SCOPES = {
  ehr: "launch openid fhirUser patient/*.rs patient/Observation.c online_access messaging/ui messaging/scratchpad",
  standalone: "launch/patient openid fhirUser patient/*.rs patient/Observation.c offline_access",
};

export const seconds = () => Math.floor(Date.now() / 1000);

const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const random = (size) => base64url(crypto.getRandomValues(new Uint8Array(size)));

const fingerprint = async (text) => base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));

/** Steps 2 to 4: find the authorization server, remember what must not travel, and send the browser there. */
export async function begin(iss, launch = "") {
  if (iss !== app().fhir) {
    throw new Problem("This app does not know that FHIR server", `It works with ${app().fhir} only.`, `It was opened with iss=${iss || "(nothing)"}.`);
  }
  const network = new Network();
  const found = await network.document("SMART configuration", `${iss}/.well-known/smart-configuration`);
  if (!found.code_challenge_methods_supported?.includes("S256")) {
    throw new Problem("This server does not offer PKCE with S256", "The app does not sign in without it.");
  }
  const [state, nonce, verifier] = [random(24), random(24), random(48)];
  const scope = launch ? SCOPES.ehr : SCOPES.standalone;
  const request = {
    response_type: "code",
    client_id: app().client,
    redirect_uri: app().redirect,
    scope,
    state,
    nonce,
    aud: iss,
    code_challenge: await fingerprint(verifier),
    code_challenge_method: "S256",
    ...(launch ? { launch } : {}),
  };
  const shown = { ...request, state: shortened(state), nonce: shortened(nonce), ...(launch ? { launch: shortened(launch) } : {}) };
  const story = [
    launch
      ? { title: "The EHR opened this app", words: "With two parameters: iss, where the data is, and launch, a handle that stands for the open chart." }
      : { title: "You started this app yourself", words: "No chart was open, so the app asks for one with the scope launch/patient." },
    { title: "It found the authorization server", words: "From a public document at the FHIR server: nothing about it is built into the app.", details: [["smart-configuration", pretty(found)]] },
    { title: "It sent the browser there to ask", words: "With a fingerprint of a random secret (PKCE): a stolen answer is worth nothing without the secret, which stayed here.", details: [["The request", pretty(shown)]] },
  ];
  keep(`pending ${state}`, {
    verifier,
    nonce,
    fhir: iss,
    mode: launch ? "ehr" : "standalone",
    issuer: found.issuer,
    tokenEndpoint: found.token_endpoint,
    revocationEndpoint: found.revocation_endpoint,
    requests: network.requests,
    story,
  });
  window.location.assign(`${found.authorization_endpoint}?${new URLSearchParams(request)}`);
}

/** Step 5: the browser is back. Returns the session; throws a Problem. */
export async function finish(parameters) {
  const state = parameters.get("state") ?? "";
  const pending = recall(`pending ${state}`);
  forget(`pending ${state}`);
  if (!pending) throw new Problem("This answer belongs to no sign-in of this tab", startAgain(), "The state parameter is unknown or was used already.");
  if ((parameters.get("iss") ?? pending.issuer) !== pending.issuer) {
    throw new Problem("The answer came from another server than the one that was asked", startAgain()); // RFC 9207
  }
  if (parameters.has("error")) {
    const denied = parameters.get("error") === "access_denied";
    throw new Problem(
      denied ? "Access was not allowed" : "The authorization server refused the request",
      denied ? `Nothing was shared. If that was a mistake: ${startAgain()}` : startAgain(),
      parameters.get("error_description") ?? parameters.get("error"),
    );
  }
  const session = { ...pending, scope: "", obtained: 0 };
  await takeToken(session, "The code is exchanged for a token", {
    grant_type: "authorization_code",
    code: parameters.get("code") ?? "",
    redirect_uri: app().redirect,
    code_verifier: pending.verifier,
  });
  delete session.verifier;
  session.story.push({
    title: "It exchanged the code for a token",
    words: "Together with the secret behind the fingerprint. The answer says what was really granted, and for which patient.",
    details: [["The token response", pretty(redacted(session.response))]],
  });
  return session;
}

export const redacted = (response) =>
  Object.fromEntries(
    Object.entries(response).map(([name, value]) => [name, /_(token|messaging_handle)$/.test(name) ? shortened(value) : value]),
  );

/** A new access token for the old refresh token, which is used up by it. */
export function refresh(session) {
  return takeToken(session, "The token is refreshed", { grant_type: "refresh_token", refresh_token: session.response.refresh_token });
}

async function takeToken(session, why, fields) {
  const network = new Network(session.requests);
  const body = new URLSearchParams({ ...fields, client_id: app().client });
  const answer = await network.send(why, session.tokenEndpoint, { method: "POST", body, headers: { Accept: "application/json" } });
  const response = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Problem(
      "No access token was given",
      answer.status >= 500 ? "The authorization server has a problem. Try again in a moment." : startAgain(),
      response.error_description ?? response.error ?? `It answered ${answer.status}.`,
    );
  }
  session.response = { ...session.response, ...response }; // a refresh may leave out what has not changed
  session.obtained = seconds();
  keep("session", session);
}

/** Give the access back: the refresh token if there is one, which ends everything that came from it. */
export async function revoke(session) {
  const network = new Network(session.requests);
  const tokens = [session.response.refresh_token, session.response.access_token].filter(Boolean);
  for (const token of tokens) {
    const body = new URLSearchParams({ token, client_id: app().client });
    await network.send("Access is given back", session.revocationEndpoint, { method: "POST", body });
  }
  forget("session");
}
