"""An administrator describes the hospital's brands at the command line, and apps find them (SMART section 21)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from authz.cli import main
from tests.world import FHIR, ISSUER, OTHER_FHIR, World

if TYPE_CHECKING:
    from tests.transport import Reply

PROFILES = "http://hl7.org/fhir/smart-app-launch/StructureDefinition"
EXTENSIONS = "http://hl7.org/fhir/StructureDefinition"
BUNDLE = "/user-access-brands"
HELP = ("--developer-url", "https://developers.hospital.example/")


class Admin:
    """At the command line of the running server, which has read what was changed when a command is done."""

    def __init__(self, world: World) -> None:
        self.services = world.services
        settings = world.services.settings
        self.environ = {
            "AUTHZ_ISSUER": settings.issuer,
            "AUTHZ_DATABASE_URL": settings.database_url,
            "AUTHZ_SHORT_LIVED_PATH": str(settings.short_lived_path),
            "AUTHZ_KEYS_DIR": str(settings.keys_dir),
        }

    def run(self, *words: str) -> Any:
        done = CliRunner(catch_exceptions=False).invoke(main, [*words, "--json"], env=self.environ)
        for registry in (self.services.fhir_servers, self.services.brands):
            registry.recent.forget()  # as if a second had passed
        return done

    def __call__(self, *words: str) -> Any:
        done = self.run(*words)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *words: str) -> str:
        done = self.run(*words)
        assert (done.exit_code, done.stdout) == (1, "")
        return str(json.loads(done.stderr)["error_description"])


@pytest.fixture
def admin(world: World) -> Admin:
    made = Admin(world)
    for name in ("main", "other"):
        made("fhir-server", "update", name, *HELP)
    return made


def get(world: World, path: str, **headers: str) -> Reply:
    return world.transport.send("GET", ISSUER + path, headers)


def document(world: World, name: str = "main") -> dict[str, Any]:
    return dict(get(world, f"/fhir-servers/{name}/.well-known/smart-configuration").json())


def describe_hospital(admin: Admin) -> None:
    admin(
        *("brand", "add", "general", "--name", "General Hospital", "--website", "https://www.general.example/welcome"),
        *("--alias", "The General", "--identifier", "urn:ietf:rfc:3986|https://general.example"),
        *(
            "--identifier",
            "http://hl7.org/fhir/sid/us-npi|1234567893",
            "--category",
            "prov",
            "--category",
            "laboratory",
        ),
        *("--address", "line=1 Main St;line=Door 2;city=Springfield;state=MA;postalCode=01101;country=US"),
        *("--logo", "https://general.example/logo.png", "--logo-license", "https://general.example/terms"),
        *("--endpoint", "main", "--endpoint", "other", "--primary-for", "main"),
    )
    admin(
        *("brand", "portal", "add", "general", "--url", "https://my.general.example/", "--name", "My General"),
        *("--description", "For patients of all ages", "--endpoint", "main"),
    )
    admin(
        *(
            "brand",
            "add",
            "kids",
            "--name",
            "General Kids",
            "--website",
            "https://kids.example",
            "--part-of",
            "general",
        ),
        *("--endpoint", "other", "--primary-for", "other", "--absent", "logo=asked-declined"),
        *("--absent", "address=asked-unknown"),
    )


def test_a_hospitals_brands_are_published_by_every_rule(world: World, admin: Admin) -> None:
    """UB-01..10, FIELD discovery.user_access_brand_bundle, FIELD discovery.user_access_brand_identifier."""
    describe_hospital(admin)
    assert admin("brand", "check") == {"publishable": True}
    told = admin("brand", "publish")
    reply = get(world, BUNDLE, Accept="text/html", Origin="https://any.example")
    assert (reply.status, reply.header("content-type")) == (200, "application/fhir+json")
    bundle = reply.json()
    assert told == {"url": ISSUER + BUNDLE, "timestamp": bundle["timestamp"], "entries": 4}
    when = bundle["timestamp"]
    display = f"FHIR R4 at {FHIR}"
    other = {"reference": "Endpoint/other", "display": f"FHIR R4 at {OTHER_FHIR}"}
    brand, endpoint = (
        {"lastUpdated": when, "profile": [f"{PROFILES}/user-access-{kind}"]} for kind in ("brand", "endpoint")
    )
    assert bundle == {
        "resourceType": "Bundle",
        "id": "user-access-brands",
        "meta": {"lastUpdated": when, "profile": [f"{PROFILES}/user-access-brands-bundle"]},
        "type": "collection",
        "timestamp": when,
        "entry": [
            {
                "fullUrl": f"{ISSUER}/Organization/general",
                "resource": {
                    "resourceType": "Organization",
                    "id": "general",
                    "meta": brand,
                    "active": True,
                    "name": "General Hospital",
                    "extension": [
                        {
                            "url": f"{EXTENSIONS}/organization-brand",
                            "extension": [
                                {"url": "brandLogo", "valueUrl": "https://general.example/logo.png"},
                                {"url": "brandLogoLicense", "valueUrl": "https://general.example/terms"},
                            ],
                        },
                        {
                            "url": f"{EXTENSIONS}/organization-portal",
                            "extension": [
                                {"url": "portalName", "valueString": "My General"},
                                {"url": "portalDescription", "valueMarkdown": "For patients of all ages"},
                                {"url": "portalUrl", "valueUrl": "https://my.general.example/"},
                                {
                                    "url": "portalEndpoint",
                                    "valueReference": {"reference": "Endpoint/main", "display": display},
                                },
                            ],
                        },
                    ],
                    "identifier": [
                        {"system": "urn:ietf:rfc:3986", "value": "https://general.example"},
                        {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"},
                    ],
                    "type": [category("prov", "Healthcare Provider"), category("laboratory", "Laboratory")],
                    "alias": ["The General"],
                    "telecom": [{"system": "url", "value": "https://www.general.example/welcome"}],
                    "address": [
                        {
                            "line": ["1 Main St", "Door 2"],
                            "city": "Springfield",
                            "state": "MA",
                            "postalCode": "01101",
                            "country": "US",
                        }
                    ],
                    "endpoint": [{"reference": "Endpoint/main", "display": display}, other],
                },
            },
            {
                "fullUrl": f"{ISSUER}/Organization/kids",
                "resource": {
                    "resourceType": "Organization",
                    "id": "kids",
                    "meta": brand,
                    "active": True,
                    "name": "General Kids",
                    "extension": [
                        {
                            "url": f"{EXTENSIONS}/organization-brand",
                            "extension": [{"url": "brandLogo", "_valueUrl": absent("asked-declined")}],
                        }
                    ],
                    "identifier": [{"system": "urn:ietf:rfc:3986", "value": "https://kids.example"}],
                    "telecom": [{"system": "url", "value": "https://kids.example"}],
                    "address": [absent("asked-unknown")],
                    "endpoint": [other],
                    "partOf": {"reference": "Organization/general"},
                },
            },
            *({"fullUrl": f"{ISSUER}/Endpoint/{name}", "resource": at(name, base, endpoint)} for name, base in BASES),
        ],
    }
    for name, value in (("main", "https://general.example"), ("other", "https://kids.example")):
        found = document(world, name)
        assert found["user_access_brand_bundle"] == ISSUER + BUNDLE
        assert found["user_access_brand_identifier"] == {"system": "urn:ietf:rfc:3986", "value": value}


BASES = (("main", FHIR), ("other", OTHER_FHIR))


def category(code: str, words: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/organization-type"
    return {"coding": [{"system": system, "code": code, "display": words}]}


def absent(reason: str) -> dict[str, Any]:
    return {"extension": [{"url": f"{EXTENSIONS}/data-absent-reason", "valueCode": reason}]}


def at(name: str, base: str, meta: dict[str, Any]) -> dict[str, Any]:
    systems = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Endpoint",
        "id": name,
        "meta": meta,
        "extension": [{"url": f"{EXTENSIONS}/endpoint-fhir-version", "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": {"system": f"{systems}/endpoint-connection-type", "code": "hl7-fhir-rest"},
        "name": f"FHIR R4 at {base}",
        "contact": [{"system": "url", "value": HELP[1]}],
        "payloadType": [{"coding": [{"system": f"{systems}/endpoint-payload-type", "code": "none"}]}],
        "address": base,
    }


def test_any_page_reads_the_bundle_and_asks_again_cheaply(world: World, admin: Admin) -> None:
    """UB-05: CORS for all GETs, no sign-in, a weak ETag that gives 304."""
    assert get(world, BUNDLE).status == 404
    describe_hospital(admin)
    admin("brand", "publish")
    reply = get(world, BUNDLE, Origin="https://any.example")
    tag = reply.header("etag") or ""
    assert tag.startswith('W/"')
    assert reply.header("access-control-allow-origin") == "*"
    assert (reply.header("cache-control") or "").startswith("public, max-age=")
    again = get(world, BUNDLE, **{"If-None-Match": tag, "Origin": "https://any.example"})
    assert (again.status, again.body) == (304, b"")
    assert again.header("access-control-allow-origin") == "*"
    assert world.transport.send("HEAD", ISSUER + BUNDLE).status == 200
    preflight = {"Origin": "https://any.example", "Access-Control-Request-Method": "GET"}
    assert world.transport.send("OPTIONS", ISSUER + BUNDLE, preflight).header("access-control-allow-origin") == "*"


def test_the_time_is_that_of_the_last_change(world: World, admin: Admin) -> None:
    """UB-04: Bundle.timestamp and meta.lastUpdated follow the contents, entry by entry."""
    describe_hospital(admin)
    first = admin("brand", "publish")["timestamp"]
    tag = get(world, BUNDLE).header("etag")
    assert admin("brand", "publish")["timestamp"] == first
    assert get(world, BUNDLE).header("etag") == tag
    admin("brand", "update", "kids", "--alias", "Kids")
    assert get(world, BUNDLE).header("etag") == tag, "nobody sees it before it is published"
    second = admin("brand", "publish")["timestamp"]
    bundle = get(world, BUNDLE).json()
    assert first < second == bundle["timestamp"] == bundle["meta"]["lastUpdated"]
    times = {entry["resource"]["id"]: entry["resource"]["meta"]["lastUpdated"] for entry in bundle["entry"]}
    assert times == {"general": first, "kids": second, "main": first, "other": first}
    admin("brand", "update", "general", "--endpoint", "main")
    admin("brand", "remove", "kids")
    assert second < admin("brand", "publish")["timestamp"]


def test_a_document_names_only_a_bundle_that_has_its_fhir_server_as_it_is(world: World, admin: Admin) -> None:
    """UB-01, UB-02: not before publication, not for a server that is not in it or has moved, not after withdrawal."""
    members = {"user_access_brand_bundle", "user_access_brand_identifier"}
    admin("brand", "add", "solo", "--name", "Solo", "--website", "https://www.solo.example", "--endpoint", "main")
    assert not members & document(world).keys()
    admin("brand", "publish")
    assert members <= document(world).keys()
    assert document(world)["user_access_brand_identifier"]["value"] == "https://solo.example"
    assert not members & document(world, "other").keys()
    admin("fhir-server", "update", "main", "--base-url", "https://moved.example/r4")
    assert not members & document(world).keys()
    admin("brand", "publish")
    assert members <= document(world).keys()
    admin("brand", "update", "solo", "--identifier", "")
    admin("brand", "publish")
    assert members & document(world).keys() == {"user_access_brand_bundle"}, "the only brand needs no identifier"
    assert admin("brand", "withdraw") == {"published": False}
    assert not members & document(world).keys()
    assert get(world, BUNDLE).status == 404


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("update", "kids", "--identifier", "urn:ietf:rfc:3986|https://general.example"), "several brands have this"),
        (("update", "kids", "--identifier", ""), "kids: an identifier is needed, there are several brands"),
        (("update", "kids", "--part-of", "nobody"), "kids: it is part of nobody, which is no other brand"),
        (("update", "general", "--part-of", "kids"), "general is itself part of a brand; two levels at most"),
        (("update", "kids", "--endpoint", "gone", "--primary-for", ""), "there is no enabled FHIR server gone"),
        (("update", "kids", "--primary-for", ""), ""),
        (("update", "general", "--primary-for", "main", "--primary-for", "other"), "say by --primary-for which"),
    ],
)
def test_what_breaks_a_publishers_rule_is_not_published(
    world: World, admin: Admin, words: tuple[str, ...], why: str
) -> None:
    """UB-02, UB-04, UB-08: refused as a whole, and what was published stays."""
    describe_hospital(admin)
    admin("brand", "publish")
    before = get(world, BUNDLE).body
    admin("brand", *words)
    if not why:  # two brands at "other" and neither is its own
        why = "other: of several brands say by --primary-for which is its own"
    assert why in admin.refused("brand", "publish")
    assert why in admin.refused("brand", "check")
    assert get(world, BUNDLE).body == before


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--website", "http://general.example"), "website: must be an https URL"),
        (("--identifier", "general"), "identifiers[0]: write it as system|value; the system is a URI"),
        (("--absent", "logo=unknown"), "the reason is one of asked-declined, asked-unknown"),
        (("--absent", "name=asked-unknown"), "one of address, category, logo, website may be absent"),
        (("--absent", "logo=asked-unknown"), "logo: either said or absent"),
        (("--logo", "data:image/png;base64,AA"), "logo: must be an https URL"),
        (("--address", "street=Main St"), "addresses[0].street: Unknown field."),
        (("--address", "Main St"), "an address looks like line="),
        (("--address", "country=Germany"), "addresses[0].country: two capital letters (ISO 3166-1)"),
        (("--category", "hospital"), "hospital"),
        (("--endpoint", "other"), "portal https://my.general.example/: its endpoint main must be one of the brand's"),
        (("--name", "\x1b[31mred"), "name: must be visible characters"),
    ],
)
def test_a_brand_that_can_not_be_is_refused(world: World, admin: Admin, words: tuple[str, ...], why: str) -> None:
    """UB-06, UB-08, uab-1: nothing is changed."""
    describe_hospital(admin)
    before = admin("brand", "show", "general")
    assert why in admin.refused("brand", "update", "general", *words)
    assert admin("brand", "show", "general") == before


def test_a_fhir_server_needs_a_page_for_developers_to_be_published(world: World, admin: Admin) -> None:
    """UB-09: Endpoint.contact for developers."""
    admin("fhir-server", "update", "main", "--developer-url", "")
    admin("brand", "add", "solo", "--name", "Solo", "--website", "https://solo.example", "--endpoint", "main")
    assert admin.refused("brand", "publish").startswith("main: say by authz fhir-server update --developer-url")
    assert "https URL" in admin.refused("fhir-server", "update", "main", "--developer-url", "http://x.example")


def test_only_what_belongs_to_the_installation_is_listed_and_being_listed_opens_nothing(
    world: World, admin: Admin
) -> None:
    """UB-03, UB-10: endpoints come from the FHIR servers' records; apps are registered as before."""
    describe_hospital(admin)
    admin("brand", "update", "general", "--endpoint", "main", "--primary-for", "")
    admin("brand", "remove", "kids")
    admin("brand", "publish")
    entries = get(world, BUNDLE).json()["entry"]
    assert [one["resource"]["id"] for one in entries] == ["general", "main"]
    stranger = world.public.authorize_url(scope="patient/*.rs", client_id="stranger")
    assert world.browser().open(stranger).status == 400


def test_a_brand_without_a_web_site_says_so(world: World, admin: Admin) -> None:
    """UB-06, UB-08: telecom 1..1 with the reason in the place of its value."""
    admin("brand", "add", "solo", "--name", "Solo", "--absent", "website=asked-declined", "--endpoint", "main")
    admin("brand", "publish")
    (organization, _) = (one["resource"] for one in get(world, BUNDLE).json()["entry"])
    assert organization["telecom"] == [{"system": "url", "_value": absent("asked-declined")}]
    assert "identifier" not in organization


def test_brands_and_portals_are_listed_and_removed(world: World, admin: Admin) -> None:
    describe_hospital(admin)
    assert [one["id"] for one in admin("brand", "list")] == ["general", "kids"]
    (portal,) = admin("brand", "show", "general")["portals"]
    assert portal["url"] == "https://my.general.example/"
    assert admin("brand", "portal", "remove", "general", portal["url"]) == {"id": "general", "portals": []}
    assert "no portal of this address" in admin.refused("brand", "portal", "remove", "general", portal["url"])
    assert admin("brand", "remove", "kids") == {"id": "kids", "removed": True}
    for words in (("show", "kids"), ("remove", "kids"), ("update", "kids")):
        assert admin.refused("brand", *words) == "kids: there is no brand of this id"
    assert admin.refused("brand", "add", "general", "--name", "X", "--website", "https://x.example") == (
        "general: there is a brand of this id"
    )
    admin("brand", "remove", "general")
    assert admin.refused("brand", "publish") == "there is no brand to publish"
    assert admin.refused("brand", "withdraw") == "there is no published bundle"
