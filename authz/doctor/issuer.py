"""This server by its public address: is it us, and does every document and header get through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from authz.doctor.finding import Finding
from authz.doctor.outside import FOREIGN_ORIGIN, Outside, differing, json_object
from authz.outbound import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.settings import Settings

MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,10})")
ALLOWED = "access-control-allow-origin"


@dataclass(frozen=True, slots=True)
class IssuerCheck:
    outside: Outside
    settings: Settings
    document: dict[str, Any]  # our OpenID configuration
    keys: dict[str, Any] | None  # our JWK Set; None: it can't be read, which was told
    origin: str | None  # of a registered app

    def run(self) -> Iterator[Finding]:
        try:
            answer = self.outside.get(self.url("/.well-known/openid-configuration"), {"Origin": FOREIGN_ORIGIN})
        except FetchFailed as failure:
            yield self.found("issuer.unreachable", str(failure))
            return
        document = json_object(answer)
        if document is None:
            yield self.found("issuer.unreachable", f"there is no OpenID configuration; status {answer.status}")
            return
        if document.get("issuer") != self.settings.issuer:
            yield self.found("issuer.other", f"it says its issuer is {str(document.get('issuer'))[:200]}")
            return
        if members := differing(document, self.document):
            yield self.found("issuer.differs", f"not as these settings say: {', '.join(members)}")
        allowed = answer.headers.get(ALLOWED)
        if allowed not in {"*", FOREIGN_ORIGIN}:
            yield self.found("issuer.cors", f"Access-Control-Allow-Origin of the documents is {allowed or 'missing'}")
        for part in (self.well_known, self.token_endpoint, self.jwks):
            try:
                yield from part()
            except FetchFailed as failure:
                yield self.found("issuer.unreachable", str(failure))

    def url(self, path: str) -> str:
        return self.settings.url(path)

    def found(self, id_: str, problem: str) -> Finding:
        return Finding(id_, self.settings.issuer, problem)

    def well_known(self) -> Iterator[Finding]:
        """RFC 8414 §3.1: the well-known segment stands before the issuer's path."""
        parts = urlsplit(self.settings.issuer)
        url = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
        answer = self.outside.get(url)
        document = json_object(answer)
        if document is None or document.get("issuer") != self.settings.issuer:
            yield self.found("issuer.well_known", f"{url} is not ours; status {answer.status}")

    def token_endpoint(self) -> Iterator[Finding]:
        """A registered app's pages may read it, nobody else's (CORS-02..04)."""
        if self.origin is not None:
            allowed = self.preflight(self.origin)
            if allowed not in {"*", self.origin}:
                told = f"a preflight of {self.origin} is answered with {allowed or 'no Access-Control-Allow-Origin'}"
                yield self.found("issuer.cors_token", told)
        allowed = self.preflight(FOREIGN_ORIGIN)
        if allowed is not None:
            yield self.found("issuer.cors_open", f"a preflight of an unknown origin is answered with {allowed}")

    def preflight(self, origin: str) -> str | None:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return self.outside.send("OPTIONS", self.url("/token"), headers).headers.get(ALLOWED)

    def jwks(self) -> Iterator[Finding]:
        answer = self.outside.get(self.url("/jwks"))
        published = json_object(answer)
        if published is None:
            yield self.found("jwks.unreachable", f"no JSON object; status {answer.status}")
            return
        if self.keys is not None and published != self.keys:
            yield self.found(
                "jwks.differs", "other keys are published than the database has (after a rotation: wait a minute)"
            )
        told = MAX_AGE.search(answer.headers.get("cache-control", ""))
        if told is None or int(told[1]) > self.settings.jwks_max_age_seconds:
            shown = answer.headers.get("cache-control", "missing")
            yield self.found(
                "jwks.caching", f"Cache-Control is {shown}, not at most {self.settings.jwks_max_age_seconds} s"
            )
