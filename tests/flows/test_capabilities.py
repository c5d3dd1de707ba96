"""Whatever a FHIR server's document promises works, and what it does not promise is refused (CAP-03, decision 23)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from authz.clients.assertion import ASSERTION_TYPE
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.discovery.offer import CAPABILITIES, SCOPES
from authz.fhir_servers.features import Feature
from authz.scopes import ScopeSet, UnknownScope
from tests.actors import FORM, basic
from tests.world import CONFIDENTIAL, EHR_ORIGIN, EVERYTHING, FHIR, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.actors import SmartApp
    from tests.world import World

SMART = "/fhir-servers/main/.well-known/smart-configuration"
KEY = ECKey.generate_key("P-384")
IDENTITY = "openid fhirUser profile"
RECORDS = "patient/*.rs patient/*.cruds user/*.rs user/*.cruds"
USER = "user/*.rs user/*.cruds user/*.read user/*.write"
OLD_RECORDS = "patient/*.read patient/*.write user/*.read user/*.write"
CONTEXT = {
    "patient": "A",
    "encounter": "E1",
    "need_patient_banner": True,
    "smart_style_url": "https://ehr.example/style.json",
    "session": "s-1",
    "web_messaging_origin": EHR_ORIGIN,
}
MESSAGES = "messaging/ui messaging/scratchpad messaging/fhir"
LAB = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
ASKED = f"{RECORDS} {OLD_RECORDS} {LAB} {MESSAGES}"
WEB_MESSAGING = f"{ISSUER}/capabilities/smart-web-messaging"


@dataclass
class Trial:
    """What can be had at the FHIR server "main", tried in every way; a refusal is an answer without a token."""

    world: World

    @cached_property
    def key_client(self) -> str:
        metadata = {
            **CONFIDENTIAL,
            "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "jwks": {"keys": [KEY.as_dict(private=False) | {"kid": "k", "alg": "ES384"}]},
            "scope": f"{EVERYTHING} system/*.cruds",
        }
        made = self.world.services
        with made.db.write() as session:
            decisions = HospitalDecisions(fhir_servers=("main",), skip_consent_in_ehr_launch=True)
            made.clients.add(session, ClientMetadata.load(metadata), decisions, client_id="by-key")
        return "by-key"

    def launched(self, client_id: str, app: SmartApp, scope: str) -> dict[str, Any]:
        record = {"client_id": client_id, "fhir_server": FHIR, "user": "Practitioner/dr", **CONTEXT}
        reply = self.world.ehr.post("/launch", record)
        if reply.status != 201:
            return dict(reply.json())
        told = app.launched(reply.json()["launch"], scope, client_id=client_id).location_parameters
        return self.redeemed(client_id, app, told)

    def alone(self, client_id: str, app: SmartApp, scope: str, user: str) -> dict[str, Any]:
        browser = self.world.browser()
        page = browser.open(app.authorize_url(scope=scope, client_id=client_id))
        if page.status == 200:
            page = browser.sign_in(page, user, f"{user}-password")
        if page.status == 200 and "Which visit" in page.text:
            page = browser.submit(page, press="visit-A")
        if page.status == 200:
            page = browser.submit(page, press="allow")
        return self.redeemed(client_id, app, page.location_parameters)

    def redeemed(self, client_id: str, app: SmartApp, told: dict[str, str]) -> dict[str, Any]:
        if "code" not in told:
            return dict(told)
        if client_id != "by-key":
            return dict(app.redeem(told["code"]).json())
        form = {
            "grant_type": "authorization_code",
            "code": told["code"],
            "redirect_uri": app.redirect_uri,
            "code_verifier": app.verifier,
        }
        return self.by_key(form)

    def by_key(self, form: dict[str, str]) -> dict[str, Any]:
        now = int(self.world.clock().timestamp())
        claims = {
            "iss": "by-key",
            "sub": "by-key",
            "aud": f"{ISSUER}/token",
            "exp": now + 60,
            "jti": secrets.token_hex(),
        }
        assertion = jwt.encode({"alg": "ES384", "kid": "k", "typ": "JWT"}, claims, KEY, algorithms=["ES384"])
        body = urlencode({**form, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}).encode()
        reply = self.world.transport.send("POST", f"{ISSUER}/token", {"Content-Type": FORM}, body)
        return dict(reply.json())

    @cached_property
    def ehr(self) -> dict[str, Any]:
        """A clinician's app, opened from the EHR, that asks for everything."""
        scope = f"launch launch/patient launch/encounter {IDENTITY} online_access {ASKED}"
        return self.launched("public", self.world.public, scope)

    @cached_property
    def patient(self) -> dict[str, Any]:
        """A patient's app, opened by itself, that asks for everything."""
        scope = f"launch/patient launch/encounter {IDENTITY} offline_access online_access {ASKED}"
        return self.alone("public", self.world.public, scope, "alice")

    @cached_property
    def clinician(self) -> dict[str, Any]:
        """A clinician's app, opened by itself, for what the clinician may see: no patient is chosen."""
        return self.alone("public", self.world.public, f"{IDENTITY} offline_access {USER}", "doctor")

    @cached_property
    def offline(self) -> dict[str, Any]:
        return self.launched("public", self.world.public, "launch patient/*.rs offline_access")

    @cached_property
    def confidential(self) -> list[dict[str, Any]]:
        app = self.world.confidential
        return [
            self.launched("confidential", app, "launch patient/*.rs"),
            self.alone("confidential", app, "patient/*.rs", "alice"),
        ]

    @cached_property
    def keyed(self) -> list[dict[str, Any]]:
        app = self.world.confidential
        return [
            self.launched(self.key_client, app, "launch patient/*.rs"),
            self.alone(self.key_client, app, "patient/*.rs", "alice"),
            self.backend,
        ]

    @cached_property
    def backend(self) -> dict[str, Any]:
        assert self.key_client
        return self.by_key({"grant_type": "client_credentials", "scope": "system/*.rs system/*.cruds system/*.read"})

    @cached_property
    def online(self) -> dict[str, Any]:
        return self.alone("public", self.world.public, "user/*.rs online_access", "doctor")

    def exchanges_messages(self) -> bool:
        """Whether an app gets a handle, the EHR hears of it at the address it is told, and ends it at the other."""
        endpoints = promised(self.world).get("__smart_web_messaging", {})
        handle = self.ehr.get("smart_web_messaging_handle")
        if handle is None or not endpoints:
            return False
        heard = []
        for name in ("introspection_endpoint", "revocation_endpoint", "introspection_endpoint"):
            headers = {"Content-Type": FORM, **basic("ehr-main", "ehr-main-secret")}
            body = urlencode({"handle": handle}).encode()
            heard.append(self.world.transport.send("POST", endpoints[name], headers, body).body)
        return b'"active":true' in heard[0] and heard[1:] == [b"", b'{"active":false}']

    @property
    def everybody(self) -> list[dict[str, Any]]:
        return [self.ehr, self.patient, self.clinician, self.online, self.offline, self.backend]

    def posted(self) -> bool:
        """Whether a request by POST leads on: to a page, or to a code."""
        handle = self.world.ehr.post("/launch", {"client_id": "public", "fhir_server": FHIR, "user": "doctor"}).json()
        app = self.world.public
        for more in ({"launch": handle.get("launch"), "scope": "launch user/*.rs"}, {"scope": "patient/*.rs"}):
            body = urlencode(app.authorization_request(**more)).encode()
            reply = self.world.transport.send("POST", f"{ISSUER}/authorize", {"Content-Type": FORM}, body)
            if reply.status == 200 or "code" in reply.location_parameters:
                return True
        return False

    def keeps_apps_apart(self) -> bool:
        """Whether an app gets at its own kinds of state, and at no other resource of that type."""
        own, foreign = "user/Basic.cuds?code=https://app.example|prefs", "user/Basic.cuds"
        tokens = self.alone("public", self.world.public, f"user/Patient.r {own} {foreign}", "doctor")
        scope = str(tokens.get("scope", "")).split()
        return own in scope and foreign not in scope

    def granted(self, scope: str) -> bool:
        return any(scope in str(tokens.get("scope", "")).split() for tokens in self.everybody)


WORKS: dict[str, Callable[[Trial], bool]] = {
    "launch-ehr": lambda t: "access_token" in t.ehr,
    "launch-standalone": lambda t: "access_token" in t.patient,
    "authorize-post": Trial.posted,
    "client-public": lambda t: any("access_token" in tokens for tokens in (t.ehr, t.patient)),
    "client-confidential-symmetric": lambda t: any("access_token" in tokens for tokens in t.confidential),
    "client-confidential-asymmetric": lambda t: any("access_token" in tokens for tokens in t.keyed),
    "sso-openid-connect": lambda t: any("id_token" in tokens for tokens in t.everybody),
    "context-banner": lambda t: t.ehr.get("need_patient_banner") is True,
    "context-style": lambda t: t.ehr.get("smart_style_url") == CONTEXT["smart_style_url"],
    "context-ehr-patient": lambda t: t.ehr.get("patient") == "A",
    "context-ehr-encounter": lambda t: t.ehr.get("encounter") == "E1",
    "context-standalone-patient": lambda t: t.patient.get("patient") == "A",
    "context-standalone-encounter": lambda t: "encounter" in t.patient,
    "permission-offline": lambda t: t.granted("offline_access") and any("refresh_token" in e for e in t.everybody),
    "permission-online": lambda t: "refresh_token" in t.ehr,
    "permission-patient": lambda t: t.granted("patient/*.rs"),
    "permission-user": lambda t: t.granted("user/*.cruds"),
    "permission-v1": lambda t: any(map(t.granted, ("patient/*.read", "user/*.write", "system/*.read"))),
    "permission-v2": lambda t: t.granted(LAB) or t.granted("system/*.rs") or t.granted("user/*.cruds"),
    "smart-app-state": lambda t: t.keeps_apps_apart(),
    WEB_MESSAGING: lambda t: t.exchanges_messages(),
}
WITHOUT = [
    (),
    *((feature,) for feature in Feature),
    (Feature.STANDALONE, Feature.BACKEND_SERVICES),
    (Feature.EHR_LAUNCH, Feature.BACKEND_SERVICES, Feature.OFFLINE_ACCESS),
    (Feature.EHR_LAUNCH, Feature.STANDALONE, Feature.SCOPES_V1),
]
CEILINGS = [
    dict.fromkeys(("Practitioner", "PractitionerRole", "Patient"), "patient/*.rs"),
    dict.fromkeys(("Practitioner", "PractitionerRole", "Patient", "Person", "RelatedPerson"), "user/*.cruds"),
]


def change(world: World, **changes: Any) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", changes)


def promised(world: World) -> dict[str, Any]:
    return dict(world.transport.send("GET", ISSUER + SMART).json())


def check(world: World) -> None:
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"scope": f"{EVERYTHING} {MESSAGES}"}, {})
    document, trial = promised(world), Trial(world)
    assert set(document["capabilities"]) == {name for name, works in WORKS.items() if works(trial)}
    grants = {
        "authorization_code": "access_token" in trial.ehr or "access_token" in trial.patient,
        "client_credentials": "access_token" in trial.backend,
    }
    assert set(document["grant_types_supported"]) == {name for name, works in grants.items() if works}
    listed = document["scopes_supported"]
    assert {scope for scope in SCOPES if trial.granted(scope)} == set(listed)
    assert not [scope for scope in ScopeSet.parse(" ".join(listed)) if isinstance(scope, UnknownScope)]


@pytest.mark.parametrize("without", WITHOUT, ids=lambda off: "+".join(off) or "everything")
def test_a_fhir_server_promises_what_works_there_and_nothing_else(world: World, without: tuple[str, ...]) -> None:
    """CAP-03, CAP-01, CAP-04, FIELD discovery.capabilities, FIELD discovery.scopes_supported, REQ-36, AMB-23.

    FIELD discovery.grant_types_supported, AMB-01, CAPABILITY launch-ehr, CAPABILITY launch-standalone,
    CAPABILITY authorize-post, CAPABILITY client-public, CAPABILITY client-confidential-symmetric,
    CAPABILITY client-confidential-asymmetric, CAPABILITY sso-openid-connect, CAPABILITY context-banner,
    CAPABILITY context-style, CAPABILITY context-ehr-patient, CAPABILITY context-ehr-encounter,
    CAPABILITY context-standalone-patient, CAPABILITY context-standalone-encounter, CAPABILITY permission-offline,
    CAPABILITY permission-online,
    CAPABILITY permission-patient, CAPABILITY permission-user, CAPABILITY permission-v1, CAPABILITY permission-v2,
    REQ-112.
    """
    change(world, without=without)
    check(world)


@pytest.mark.parametrize("ceilings", CEILINGS, ids=["only patient", "only user"])
def test_levels_that_nobody_may_pass_on_are_not_promised(world: World, ceilings: dict[str, str]) -> None:
    """CAP-03, decision 16: the ceilings of the FHIR server decide about permission-patient and permission-user."""
    change(world, scope_ceilings=ceilings)
    capabilities = promised(world)["capabilities"]
    trial = Trial(world)
    for name in ("permission-patient", "permission-user"):
        assert (name in capabilities) == WORKS[name](trial), name


def test_messages_are_promised_where_the_window_of_an_ehr_is_known(world: World) -> None:
    """CAP-03, web-messaging 2.4: without an origin no launch can name one."""
    change(world, ehr_origins=())
    document = promised(world)
    assert WEB_MESSAGING not in document["capabilities"]
    assert "__smart_web_messaging" not in document
    assert not [scope for scope in document["scopes_supported"] if scope.startswith("messaging/")]


def test_state_of_apps_is_promised_where_it_is_configured(world: World) -> None:
    """CAP-03, CAPABILITY smart-app-state, APS-01."""
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {}, {"app_state_codes": ("https://app.example|prefs",)})
    for configured in (False, True):
        change(world, app_state=configured)
        assert ("smart-app-state" in promised(world)["capabilities"]) is configured
        assert Trial(world).keeps_apps_apart() is configured


def test_every_capability_is_one_of_smart_or_a_uri_and_has_a_trial() -> None:
    """CAP-02, AMB-02, VER-16: of our own one, under our address; no context-passthrough-banner of the examples."""
    assert CAPABILITIES.keys() <= WORKS.keys()
    assert WORKS.keys() - CAPABILITIES.keys() == {WEB_MESSAGING}
    assert len(WORKS) == 21
