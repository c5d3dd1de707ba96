"""What the page of limits says: how large everything may be that comes in, and how often it may come.

The numbers are the code's own; ``tests/attacks/test_bounds.py`` sends each at the bound, around it and far above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz import limits, strangers, strict_json
from authz.audit import flood
from authz.authorize import parameters
from authz.clients import key_sets, language, redirect_uri, statement, values
from authz.deadlines import EXCHANGE_SECONDS
from authz.endpoints import consent, exchange, gate
from authz.enforcement import records, turns
from authz.keyring import public_keys
from authz.launch import schema
from authz.login import password, throttle
from authz.login.known_devices import LASTS
from authz.outbound import Limits
from authz.registration import limits as registration
from authz.settings import Settings

if TYPE_CHECKING:
    from authz.storage.limiter import Limit

FETCH = Limits()  # as every fetch of something that an app has published
DECISIONS = turns.AtOnce.of(8)  # threads, where the environment says nothing
PEOPLE: int = Settings.__dataclass_fields__["people_per_address"].default
REGISTRATIONS: int = Settings.__dataclass_fields__["registrations_per_hour"].default


@dataclass(frozen=True)
class Bound:
    what: str
    most: int
    unit: str
    above: str  # status, and the error code where programs read it


BOUNDS = {
    "line": Bound("request line", 8_190, "bytes", "414"),
    "headers": Bound("header fields", 100, "fields", "431"),
    "header": Bound("one header field", 8_190, "bytes", "431"),
    "body": Bound("body of a form", exchange.BODY_LIMIT, "bytes", "413 `invalid_request`"),
    "body of /register": Bound("body of `/register`", exchange.LARGE_BODY_LIMIT, "bytes", "413 `invalid_request`"),
    "body of /launch": Bound("body of `/launch`", exchange.LARGE_BODY_LIMIT, "bytes", "413 `invalid_request`"),
    "parameters": Bound("parameters", gate.MAX_PARAMETERS, "parameters", "400 `invalid_request`"),
    "boxes": Bound("parameters of `/consent`", consent.MAX_BOXES, "parameters", "400, a page"),
    "name": Bound("name of a parameter", gate.MAX_NAME, "bytes", "400 `invalid_request`"),
    "value": Bound("any other parameter", gate.MAX_VALUE, "bytes", "400 `invalid_request`"),
    **{
        name: Bound(f"`{name}`", most, "bytes", "400 `invalid_request`; at `/authorize` a page")
        for name, most in gate.MAX_BYTES.items()
    },
    "scope": Bound("`scope`", gate.MAX_SCOPE, "bytes", "400 `invalid_scope`; at `/authorize` a page"),
    "scopes": Bound("scopes in `scope`", gate.MAX_SCOPES, "scopes", "400 `invalid_scope`; at `/authorize` a page"),
    "read": Bound("all that `/authorize` reads of a request", parameters.MAX_READ, "bytes", "303 `invalid_request`"),
    "redirect_uris": Bound("redirect URIs of an app", values.MAX_ITEMS, "URIs", "400 `invalid_redirect_uri`"),
    "redirect URI": Bound("a redirect URI of an app", redirect_uri.MAX_BYTES, "bytes", "400 `invalid_redirect_uri`"),
    "drawn": Bound(
        "a name of an app, each sign written out (NFKD)", values.MAX_DRAWN, "letters", "400 `invalid_client_metadata`"
    ),
    "names": Bound("names of an app in other languages", language.MAX_NAMES, "names", "400 `invalid_client_metadata`"),
    "statement": Bound("`software_statement`", statement.MAX_BYTES, "bytes", "400 `invalid_software_statement`"),
    "depth": Bound("JSON, nesting", strict_json.MAX_DEPTH, "levels", "400 `invalid_request`"),
    "nodes": Bound("JSON, values", strict_json.MAX_NODES, "values", "400 `invalid_request`"),
    "integer": Bound("JSON, an integer", strict_json.MAX_INTEGER, "(53 bits)", "400 `invalid_request`"),
    "fhirContext": Bound("`fhirContext` of a launch", schema.MAX_ITEMS, "items", "400 `invalid_request`"),
    "password": Bound("password", password.MAX_BYTES, "bytes", "401, a page"),
    "hashes": Bound("passwords checked at once by a process", password.PARALLEL, "hashes", "429, a page"),
    "JWKS": Bound("a key set at `jwks_uri`", FETCH.max_bytes, "bytes", "401 `invalid_client`"),
    "keys": Bound("keys of a key set", public_keys.MAX_KEYS, "keys", "401 `invalid_client`"),
    "JWKS seconds": Bound("fetching a key set", int(FETCH.seconds), "seconds", "401 `invalid_client`"),
    "JWKS at once": Bound("requests of a process that wait for key sets", key_sets.MOST_WAITING, "requests", "503"),
    "JWKS of strangers": Bound(
        "of them, for apps that nobody has approved", key_sets.STRANGERS_WAITING, "requests", "503"
    ),
    "decision": Bound("a decision of `/forward-auth` that asks", int(turns.DECISION_SECONDS), "seconds", "503"),
    "decisions": Bound("such decisions of a process that ask at once", DECISIONS.asking, "requests", "503"),
    "decisions, one server": Bound("of them, at one FHIR server", DECISIONS.of_server, "requests", "503"),
    "decisions, one person": Bound("of them, for one person", DECISIONS.of_person, "requests", "429"),
    "records": Bound(
        "resources that the FHIR server is asked about for a request", records.MOST_RESOURCES, "resources", "403"
    ),
}
BY_ADDRESS, BY_NETWORK = "an address", "a network: /24, /48"
KNOWN, ALL_KNOWN = "a browser that signed in to the account before", "all such browsers of an account"
ROOM = strangers.Room(None, Settings.__dataclass_fields__["strangers_megabytes"].default, strangers.LONGEST_KEPT)  # type: ignore[arg-type]  # counts nothing
KEPT = (
    (BY_ADDRESS, ROOM.part("address", strangers.OF_ADDRESS)),
    (BY_NETWORK, ROOM.part("network", strangers.OF_NETWORK)),
    ("strangers together", ROOM.part("everybody", 1)),
    ("a person who is signed in", ROOM.part("person", strangers.OF_PERSON)),
)
RECORDED = (
    (BY_NETWORK, flood.OF_NETWORK.times(PEOPLE)),
    ("strangers together", flood.OF_STRANGERS.times(PEOPLE)),
    ("a person", flood.OF_PERSON),
)
REFUSING = "`/token`, `/revoke`, `/introspect`, `/userinfo`, `/launch`, `/ehr-session`, `/web-messaging`"
RATES: tuple[tuple[str, str, Limit], ...] = (
    ("opening apps: new requests at `/authorize`", BY_ADDRESS, limits.AUTHORIZATION_REQUESTS.times(PEOPLE)),
    (
        f"refusals at {REFUSING}, `/back-channel-logout`, and of forms out of date",
        BY_ADDRESS,
        limits.REFUSALS.times(PEOPLE),
    ),
    ("pages, and their answers, of apps that people open by themselves", BY_ADDRESS, limits.STEPS.times(PEOPLE)),
    ("sign-outs that other sites post", BY_ADDRESS, limits.SIGN_OUTS.times(PEOPLE)),
    ("failed authentications", "a client, EHR or FHIR server", limits.FAILED_AUTHENTICATION),
    ("launches", "an EHR", limits.LAUNCHES),
    ("searches for patients and visits", "a person", limits.SEARCHES),
    ("passwords", BY_ADDRESS, throttle.ADDRESS.times(PEOPLE)),
    ("passwords", BY_NETWORK, throttle.NETWORK.times(PEOPLE)),
    ("passwords", "an account", throttle.ACCOUNT),
    ("passwords", KNOWN, throttle.DEVICE),
    ("passwords", ALL_KNOWN, throttle.DEVICES),
    ("passwords", "everybody together", throttle.EVERYBODY.times(PEOPLE)),
    ("codes after the password", "an account", throttle.CODES),
    ("codes after the password", "an account", throttle.CODES_A_DAY),
    ("codes after the password", KNOWN, throttle.CODES),
    ("codes after the password", ALL_KNOWN, throttle.DEVICES_CODES),
    ("codes after the password", ALL_KNOWN, throttle.DEVICES_CODES_A_DAY),
    ("recovery codes", "an account", throttle.RECOVERY_CODES),
    ("recovery codes", KNOWN, throttle.RECOVERY_CODES),
    ("recovery codes", ALL_KNOWN, throttle.DEVICES_RECOVERY_CODES),
    ("support codes looked up", BY_ADDRESS, limits.SUPPORT_CODES),
    ("looking after a registration", BY_ADDRESS, registration.MANAGEMENT),
    ("looking after a registration", BY_NETWORK, registration.OF_NETWORK),
    ("signing in with a registration token", BY_ADDRESS, registration.TOKEN_SIGN_INS),
)


def limits_page() -> str:
    """Two tables: sizes and rates."""
    lines = [
        "# Limits",
        "",
        "## How large",
        "",
        "What is larger is refused as a whole; nothing is cut off. JSON has no member twice, no `NaN`, no `Infinity`.",
        f"A request has {EXCHANGE_SECONDS:.0f} seconds to come in, and as long to be answered.",
        "",
        "| what | at most | above |",
        "|---|---|---|",
        *(f"| {one.what} | {one.most:,} {one.unit} | {one.above} |" for one in BOUNDS.values()),
        "",
        "## How often",
        "",
        "More is 429 with `Retry-After`: JSON for programs, a page for people. What is refused, opened and typed at an",
        f"address is a number for each of `people_per_address` ({PEOPLE}). An IPv6 address counts as its /64.",
        "A window begins with the first try; no success ends it early. The first refusal of a window is on the trail",
        "as `rate_limited`. While the short-lived store is away each process counts for itself.",
        "",
        f"A browser that signed in to an account is known for it for {LASTS.days} days, or until all its sign-ins are",
        "ended: by another password, a second factor or its removal, or by switching the account off. Then it counts",
        "like any other, and so does one that has used up the tries of known browsers: an account has those that stand",
        "here, and no more.",
        "",
        f"A network has 1/{throttle.EVERYBODY.tries // throttle.NETWORK.tries} of everybody's tries of passwords, and",
        "an address at most half of its network's: no stranger's address or network uses up everybody's. Both are for",
        f"each of `people_per_address` too, of {throttle.LEAST_PEOPLE} at least. Where many networks use them up,",
        "known browsers, the hospital's sign-in and launches from the EHR go on. What passwords cost is bounded apart,",
        "by how many are checked at once.",
        "",
        "| what | of | at most | in seconds |",
        "|---|---|---|---|",
        *(f"| {what} | {whose} | {limit.tries:,} | {limit.seconds:,} |" for what, whose, limit in RATES),
        *(f"| kilobytes kept, see below | {whose} | {limit.tries:,} | {limit.seconds:,} |" for whose, limit in KEPT),
        *(f"| records, see below | {whose} | {limit.tries:,} | {limit.seconds:,} |" for whose, limit in RECORDED),
        f"| registrations | {BY_ADDRESS} | {REGISTRATIONS} | {registration.HOUR:,} |",
        f"| registrations | {BY_NETWORK} | {registration.NEIGHBOURS * REGISTRATIONS} | {registration.HOUR:,} |",
        "",
        "*Kilobytes kept* are those of the short-lived store: for an app that somebody opens who is not signed in, for",
        "each way to the hospital's provider, for a sign-out that another site posts. `strangers_megabytes` says how",
        "many in all; launches of EHRs need none ([the arithmetic](../how-to/production.md#how-large-redis-must-be)).",
        "",
        "*Records* are those of the audit trail that whoever proves nothing causes: refusals, limits that were reached",
        "and pages shown to who has not signed in. More is answered as ever, and is on the trail as a number:",
        "`strangers.counted` ([audit](../how-to/audit.md#a-flood-of-strangers)). Both are for each of",
        f"`people_per_address`, of {flood.LEAST_PEOPLE} at least.",
    ]
    return "\n".join(lines) + "\n"
