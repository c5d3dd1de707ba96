"""Checks of what an app publishes: its keys, and the pages about it. Each address is asked once, guarded."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.clients.client import BY_KEY
from authz.clients.key_sets import key_set
from authz.keyring.public_keys import ALGORITHMS, jwks_problems, suits
from authz.outbound import FetchFailed, Limits
from authz.registration.report import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authz.outbound import Outbound

log = logging.getLogger(__name__)
LIMITS = Limits(seconds=5.0, max_bytes=64 * 1024)  # no redirects, public addresses only: see outbound
PAGES = ("policy_uri", "tos_uri", "client_uri")
MISSING = {
    "policy_uri": "none is given: people can't read what becomes of their data",
    "tos_uri": "none is given: people can't read on which terms they use the app",
    "client_uri": "none is given: people can't read about the app, and its site can't be compared with its addresses",
}
MOST_PAGES = 8
AT_ONCE = 4
GOOD, MOVED, ERROR = 200, 300, 400
USABLE = [("RSA", "RS384"), ("EC", "ES384")]


@dataclass(frozen=True, slots=True)
class Published:
    outbound: Outbound

    def findings(self, said: Mapping[str, Any]) -> list[Finding]:
        """Within 15 seconds: the keys, then the pages four at once, each address for five."""
        return [*self.keys(said), *self.pages(said)]

    def keys(self, said: Mapping[str, Any]) -> Iterator[Finding]:
        """An app without usable keys can't sign in; what is wrong with one of several is only told."""
        jwks, uri = said.get("jwks"), said.get("jwks_uri")
        if uri is not None:
            try:
                answer = self.outbound.get(uri, headers={"Accept": "application/json"}, limits=LIMITS)
                jwks = key_set(answer)
            except FetchFailed as failure:
                yield Finding(Level.ERROR, "jwks_uri", f"{uri}: {unreachable(failure)}")
                return
            except ValueError as problem:
                yield Finding(Level.ERROR, "jwks_uri", f"{uri}: is no key set: {problem}")
                return
        if jwks is not None:
            yield from key_findings(jwks, "jwks" if uri is None else "jwks_uri")
        elif said.get("token_endpoint_auth_method") == BY_KEY:
            yield Finding(Level.ERROR, "jwks", f"{BY_KEY} without keys")

    def pages(self, said: Mapping[str, Any]) -> Iterator[Finding]:
        """The links that people are shown, in every language."""
        for member in PAGES:
            if not said.get(member):
                yield Finding(Level.WARNING, member, MISSING[member])
        wanted = {uri: member for member, uri in said.items() if member.partition("#")[0] in PAGES and uri}
        asked = list(wanted.items())[:MOST_PAGES]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = pool.map(self.page, [uri for uri, _ in asked])
            for (uri, member), (level, words) in zip(asked, answers, strict=True):
                yield Finding(level, member, f"{uri}: {words}")
        if len(wanted) > MOST_PAGES:
            yield Finding(Level.WARNING, "client_uri", f"{len(wanted) - MOST_PAGES} more pages were not looked at")

    def page(self, uri: str) -> tuple[Level, str]:
        try:
            status = self.outbound.get(uri, limits=LIMITS).status
        except FetchFailed as failure:
            return (Level.ERROR if failure.refused else Level.WARNING), unreachable(failure)
        if GOOD <= status < MOVED:
            return Level.OK, "can be read"
        if status < ERROR:
            return Level.WARNING, "sends its readers elsewhere: give the address where they end"
        return Level.WARNING, f"answers with status {status}"


def key_findings(jwks: dict[str, Any], member: str) -> Iterator[Finding]:
    keys = jwks["keys"]
    usable = [
        key for key in keys if isinstance(key, dict) and any(suits(key, str(key.get("kid")), *one) for one in USABLE)
    ]
    problems = jwks_problems(jwks)
    yield from (Finding(Level.WARNING, member, problem) for problem in problems)
    if not usable:
        yield Finding(Level.ERROR, member, f"no key is fit for {' or '.join(ALGORITHMS)}")
    elif not problems:
        yield Finding(Level.OK, member, f"{len(usable)} of {len(keys)} keys are fit for {' or '.join(ALGORITHMS)}")


def unreachable(failure: FetchFailed) -> str:
    """What a stranger may know of it: not which machine of ours stands behind a name, or what it answered."""
    log.info("a check could not read an address: %s", failure)
    return "is not a public https address" if failure.refused else "can't be read, or only without our limits"
