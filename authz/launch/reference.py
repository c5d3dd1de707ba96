"""The page about the launch record, made from its schema so that it can't tell anything else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from authz.launch.schema import LAUNCH, RECORD

if TYPE_CHECKING:
    from marshmallow.fields import Field

PAGE = """# The launch record

What an EHR says when it opens an app. The same members are the body of `POST /launch` and, where the FHIR server allows
it, a record that the EHR writes straight into Redis. This page is made from the schema by `make docs`.

| member | JSON type | needed | meaning |
|---|---|---|---|
{rows}
| a name of your own | any | no | Given to the app as it is. The name is an absolute URI or starts with `__`. |

Any other member is refused. A member that does not apply is left out; `null` is refused. The context members
(`patient` to `appContext`, and names of your own) stand in the token response and in introspection as they are here.

A `role` in `fhirContext` is any absolute URI that EHR and app have agreed on, or `launch`, which is the same as none.
This server gives roles no meaning of its own: it hands them on. An app that asks for `launch/<type>`, with `?role=` or
without, is granted that scope if the launch has an item of the type, and gets every item, each with its own role. An
app of SMART 2.0 that can read only strings gets the references of the items without a role (`authz client legacy allow
APP fhirContext-as-strings --reason ...`).

## `POST /launch`

HTTP Basic with the EHR's credential, or a bearer token with scope `__launch`; `Content-Type: application/json`.

```json
{request}
```

`201` answers with `launch` (secret, for the app only), `launch_id` (not secret), `launch_url` (the address to open: the
app's own launch URL with `iss` and `launch`) and `expires_in` (seconds). `GET /launch/<launch_id>` shows what became of
it: `state` is `created`, `authorized` (the app has a code), `token_issued` or `ended`. `DELETE` takes it back while it
waits; other EHRs get 404. Refusals are `{{"error", "error_description"}}`: 400
`invalid_request`, 401 `invalid_client` or `invalid_token`, 403 `insufficient_scope`.

`authz launch check FILE` says everything that is wrong with a launch, in words and without making it; `--ehr` checks it
as that EHR's. Its exit code is 0 if the launch would be taken.

`POST /ehr-session/end` and `/ehr-session/touch` take `{{"fhir_server", "session"}}` and answer 204. Ending a session
ends its `online_access`; touching it keeps that alive.

## Signed and encrypted, without a call

An EHR may make a launch by itself: a JWT that it signs and encrypts, and gives to the app as `launch`. One time:

1. We: `authz keys launch rotate` makes the key to encrypt to; it is published at `/launch/jwks`, apart from `/jwks`.
2. The EHR sends its public keys (RS384, or ES384 on P-384): `authz ehr set-keys EHR FILE`.

For each launch:

1. Claims: the record above and `iss` (the EHR's client id), `aud` (our issuer, as in its discovery document), `exp` (at
   most 300 s ahead), `jti` (never used before); `iat` and `nbf` may be there too. No other claim.
2. Sign them as a compact JWS; its header is `alg`, `kid` and `typ: launch+jwt`, and nothing else.
3. Encrypt that as a compact JWE to the key of `/launch/jwks`: `alg: ECDH-ES`, `enc: A256GCM`, `cty: JWT`, `kid` and
   `epk`, and nothing else (no `zip`).
4. Open the app's launch URL with `iss` (the record's `fhir_server`) and `launch` (the JWE). Keep that short: a browser
   sends it in a URL, and more than 8192 bytes are refused.

It is used once, by `iss` and `jti`, however often it is signed or encrypted. The launch can not be taken back, but ends
with its session (`POST /ehr-session/end`) and its `exp`. If a key is stolen: `authz ehr remove-keys`, and `authz ehr
disable` to end what was granted as well. Making, use and refusal are audited (`written_by: jwt`).

## Straight into Redis

Off until `authz fhir-server update NAME --redis-launches`, and only with Redis as the short-lived store. Whoever may
write there can launch any app for any user at every FHIR server for which this is on: give that right to nobody else.

1. Make a handle of at least 128 random bits, in characters that a URL carries as they are. It is secret.
2. Write the record above with one more member, the number `exp`: {exp}
3. The key is `authz:launch:` and the SHA-256 of the handle in lower-case hex. Give it a lifetime of at most 300 s.
4. Open the app's launch URL with `iss` (the record's `fhir_server`) and `launch` (the handle) added to its query.

```
SET authz:launch:<sha256 hex of the handle> '{record}' EX 300
```

The first use is audited, and a refused record too: one that is malformed, lives longer, or names an app, FHIR server or
user that is not known. To take a launch back, delete its key. A Redis user (7.0 or later) that can do this and nothing
else:

```
ACL SETUSER ehr on >a-long-random-password resetkeys resetchannels %W~authz:launch:* -@all +set +del +ping
```
"""


def reference() -> str:
    """The whole page, Markdown."""
    members = {field.data_key or name: field for name, field in LAUNCH.fields.items()}
    example = {name: field.metadata["example"] for name, field in members.items()}
    exp = RECORD.fields["exp"].metadata
    needed = {name: value for name, value in example.items() if members[name].required or name == "patient"}
    return PAGE.format(
        rows="\n".join(row(name, field) for name, field in members.items()),
        request=json.dumps(example, indent=2),
        record=json.dumps(needed | {"exp": exp["example"]}),
        exp=exp["description"],
    )


def row(name: str, field: Field[Any]) -> str:
    kind = json_type(field.metadata["example"])
    return f"| `{name}` | {kind} | {'yes' if field.required else 'no'} | {field.metadata['description']} |"


def json_type(example: object) -> str:
    match example:
        case bool():
            return "boolean"
        case int():
            return "number"
        case list():
            return "array"
        case _:
            return "string"
