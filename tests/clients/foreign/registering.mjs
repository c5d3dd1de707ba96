// What an app says of itself when it registers, and a key of its own.

export async function ownKey() {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, true, ["sign", "verify"]);
  const jwk = { ...(await crypto.subtle.exportKey("jwk", pair.publicKey)), kid: "own", alg: "ES384", use: "sig" };
  delete jwk.key_ops;
  delete jwk.ext;
  return { privateKey: pair.privateKey, jwk };
}

export function metadata(settings, origin, key) {
  return {
    client_name: settings.name,
    redirect_uris: [`${origin}/callback`],
    launch_uris: [`${origin}/launch`],
    grant_types: ["authorization_code", "refresh_token"],
    scope: settings.scope,
    fhir_user_types: ["Practitioner"],
    token_endpoint_auth_method: settings.method,
    ...(settings.method === "private_key_jwt" ? { jwks: { keys: [key.jwk] } } : {}),
  };
}
