"""Referral Desk, the confidential sample app: over real sockets, with a browser of its own making."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from urllib3 import BaseHTTPResponse, PoolManager

from demo.app.id_token import Expected, NotTrusted, verify_id_token
from demo.authorization_server import AuthorizationServer
from demo.config import EHR_CREDENTIAL
from tests.demo.conftest import NOW
from tests.demo.sites import Sites, running_sites

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    folder: Path = tmp_path_factory.mktemp("demo")
    with running_sites(folder) as sites:
        yield sites


@dataclass
class Browser:
    """Keeps one cookie, and follows nothing by itself."""

    pool: PoolManager = field(default_factory=PoolManager)
    cookie: str = ""

    def get(self, url: str) -> BaseHTTPResponse:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        answer = self.pool.request("GET", url, headers=headers, redirect=False, retries=False)
        if set_cookie := answer.headers.get("Set-Cookie"):
            self.cookie = set_cookie.split(";")[0]
        return answer

    def follow(self, url: str) -> BaseHTTPResponse:
        answer = self.get(url)
        while answer.status in (302, 303):
            location = answer.headers["Location"]
            url = location if location.startswith("http") else f"{url.split('/referral', maxsplit=1)[0]}{location}"
            answer = self.get(url)
        return answer


@pytest.fixture
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.pool.clear()


def launch_url(sites: Sites, patient: str = "pat-2", **more: Any) -> str:
    body = {
        "client_id": "referral",
        "fhir_server": sites.config.fhir,
        "launch_url": f"{sites.config.app}/referral/launch",
        "user": "Practitioner/prac-1",
        "patient": patient,
        "fhirContext": [{"reference": "ServiceRequest/sr-1"}],
    }
    server = AuthorizationServer(sites.config)
    made = server.launch(body | more, EHR_CREDENTIAL)
    server.pool.clear()
    return str(made["launch_url"])


def test_the_letter_names_the_patient_the_request_and_the_verified_author(sites: Sites, browser: Browser) -> None:
    """CTX-01, FCX-07, OID-09; the user's resource is read with scope ``fhirUser`` (OID-14)."""
    answer = browser.follow(launch_url(sites))
    page = answer.data.decode()
    assert answer.status == 200
    for words in (
        "James Whitfield",
        "Referral to ophthalmology",
        "Dr. Helen Marsh",
        "Type 2 diabetes mellitus",
        "Penicillin",
    ):
        assert words in page
    assert browser.cookie.startswith("demo_referral_session=")


def test_no_token_reaches_the_browser(sites: Sites, browser: Browser) -> None:
    before = set(sites.state.tokens)
    page = browser.follow(launch_url(sites)).data.decode()
    [token] = set(sites.state.tokens) - before
    assert token not in page
    assert f"{token[:6]}…{token[-4:]}" in page


def test_the_request_is_a_complete_smart_request(sites: Sites, browser: Browser) -> None:
    """AL#step-4: all parameters, PKCE with S256, and ``aud`` equal to ``iss``."""
    location = urlsplit(browser.get(launch_url(sites)).headers["Location"])
    asked = {name: values[0] for name, values in parse_qs(location.query).items()}
    random = {name: asked.pop(name) for name in ("state", "nonce", "code_challenge", "launch")}
    assert all(len(value) >= 32 for value in random.values())
    assert asked == {
        "response_type": "code",
        "client_id": "referral",
        "redirect_uri": f"{sites.config.app}/referral",
        "scope": "launch openid fhirUser patient/*.read",
        "aud": sites.config.fhir,
        "code_challenge_method": "S256",
    }


def test_another_fhir_server_is_not_followed(sites: Sites, browser: Browser) -> None:
    query = urlencode({"iss": "http://evil.example/fhir", "launch": "x"})
    answer = browser.get(f"{sites.config.app}/referral/launch?{query}")
    assert answer.status == 400
    assert b"works with the demo&#39;s FHIR server only" in answer.data


def test_an_answer_without_its_request_is_refused(sites: Sites, browser: Browser) -> None:
    """RFC 6749 §10.12: ``state`` ties the answer to this browser, once."""
    redirect = browser.get(browser.get(launch_url(sites)).headers["Location"]).headers["Location"]
    stranger = Browser(browser.pool).get(redirect)
    assert stranger.status == 400
    assert b"belongs to no sign-in of this browser" in stranger.data
    assert browser.follow(redirect).status == 200
    assert browser.get(redirect).status == 400


def test_an_answer_of_another_issuer_is_refused(sites: Sites, browser: Browser) -> None:
    """RFC 9207 §2.4."""
    redirect = browser.get(browser.get(launch_url(sites)).headers["Location"]).headers["Location"]
    answer = browser.get(redirect.replace(urlencode({"iss": sites.config.issuer}), "iss=http%3A%2F%2Fevil.example"))
    assert answer.status == 400
    assert b"came from another authorization server" in answer.data


def test_a_refusal_is_shown_in_the_servers_words(sites: Sites, browser: Browser) -> None:
    sites.state.refuse_next = "access_denied"
    answer = browser.follow(launch_url(sites))
    assert answer.status == 400
    assert b"Access was not granted: the test wanted it so." in answer.data


def test_a_launch_without_a_referral_says_so(sites: Sites, browser: Browser) -> None:
    answer = browser.follow(launch_url(sites, "pat-9", fhirContext=[]))
    assert (answer.status, b"No referral is open in this chart" in answer.data) == (200, True)


def test_the_page_without_a_launch_says_how_to_open_it(sites: Sites, browser: Browser) -> None:
    answer = browser.get(f"{sites.config.app}/referral")
    assert (answer.status, b"Open Referral Desk from a chart" in answer.data) == (200, True)


class Documents:
    """The issuer's two documents."""

    def __init__(self, issuer: str, key: RSAKey, named: str = "") -> None:
        self.documents: dict[str, dict[str, Any]] = {
            f"{issuer}/.well-known/openid-configuration": {"issuer": named or issuer, "jwks_uri": f"{issuer}/jwks"},
            f"{issuer}/jwks": {"keys": [key.as_dict(private=False)]},
        }
        self.asked: list[str] = []

    def get_json(self, url: str, token: str | None = None) -> dict[str, Any]:
        assert token is None
        self.asked.append(url)
        return self.documents[url]


ISSUER = "https://as.example"
KEY = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256"})
EXPECTED = Expected(ISSUER, "referral", "n-1")
NOW_SECONDS = int(NOW.timestamp())
CLAIMS = {"iss": ISSUER, "aud": "referral", "sub": "s", "exp": NOW_SECONDS + 60, "iat": NOW_SECONDS, "nonce": "n-1"}

UNSIGNED_HEADER = urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")


def signed(claims: dict[str, Any], key: RSAKey | OctKey = KEY, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": "k1"}, claims, key, algorithms=[alg])


def verify(token: str, expected: Expected = EXPECTED, documents: Documents | None = None) -> dict[str, Any]:
    return verify_id_token(documents or Documents(ISSUER, KEY), token, expected, NOW)  # type: ignore[arg-type]  # a fake


def test_a_good_id_token_gives_its_claims() -> None:
    """OID-09: issuer, configuration, keys, signature, ``fhirUser``."""
    documents = Documents(ISSUER, KEY)
    claims = CLAIMS | {"fhirUser": "https://fhir.example/Practitioner/1"}
    assert verify(signed(claims), documents=documents) == claims
    assert documents.asked == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/jwks"]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        signed(CLAIMS | {"iss": "https://evil.example"}),
        signed(CLAIMS | {"aud": "growth-chart"}),
        signed(CLAIMS | {"exp": NOW_SECONDS - 31}),
        signed(CLAIMS | {"nonce": "n-2"}),
        signed({name: value for name, value in CLAIMS.items() if name != "nonce"}),
        signed({name: value for name, value in CLAIMS.items() if name != "exp"}),
        signed(CLAIMS, RSAKey.generate_key(2048, {"kid": "k1"})),
        signed(CLAIMS, OctKey.import_key({"kty": "oct", "k": str(KEY.as_dict()["n"]), "kid": "k1"}), "HS256"),
        signed(CLAIMS)[:-6] + "AAAAAA",
        f"{UNSIGNED_HEADER}.{signed(CLAIMS).split('.')[1]}.",
    ],
)
def test_a_bad_id_token_is_not_trusted(token: str) -> None:
    with pytest.raises(NotTrusted):
        verify(token)


def test_an_issuer_whose_document_carries_another_name_is_not_trusted() -> None:
    with pytest.raises(NotTrusted):
        verify(signed(CLAIMS), documents=Documents(ISSUER, KEY, named="https://other.example"))
    with pytest.raises(NotTrusted):
        verify(signed(CLAIMS), replace(EXPECTED, issuer="https://other.example"))
