"""How long the server takes to say no, for what must not be told apart: reported, never asserted (decision 30).

Both of a pair are asked in turn, so that whatever else the machine does hits both alike. ``p`` is that of a
Mann-Whitney test: below 0.01 the two are likely to differ; whether that helps anybody, the medians say.
"""

from __future__ import annotations

import math
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from argon2 import PasswordHasher, profiles

from tests.actors import FORM, basic
from tests.attacks.live.cast import ASKER_SECRET
from tests.attacks.live.people import sub_of
from tests.attacks.live.serving import in_a_file, serving
from tests.attacks.live.target import ALONE, LAUNCHED
from tests.messaging import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attacks.live.target import Target

    Question = Callable[[], tuple[str, str, dict[str, str], bytes]]

SAMPLES = 200
OF_PASSWORDS = 40  # each costs a hash
REFRESH = {"grant_type": "refresh_token", "refresh_token": "x"}


def form(path: str, fields: dict[str, str], headers: dict[str, str] | None = None) -> Question:
    return lambda: ("POST", path, {"Content-Type": FORM, **(headers or {})}, urlencode(fields).encode())


def sign_in(target: Target, name: str) -> Question:
    """A wrong password, on a page of its own each time."""

    def question() -> tuple[str, str, dict[str, str], bytes]:
        target.begin()
        browser = target.browser()
        page = browser.open(target.pub.authorize_url(scope=ALONE))
        fields = {"interaction": page.text.split('name="interaction" value="')[1].split('"')[0]}
        cookie = "; ".join(f"{key}={value}" for key, value in browser.cookies.items())
        body = urlencode({**fields, "username": name, "password": "wrong"}).encode()
        return "POST", "/login", {"Content-Type": FORM, "Cookie": cookie}, body

    return question


def opened(target: Target, handle: str) -> Question:
    url = target.pub.authorize_url(scope=LAUNCHED, launch=handle)
    return lambda: ("GET", url, {}, b"")


def pairs(target: Target) -> dict[str, tuple[Question, Question, int]]:
    used = str(target.launch()["launch"])
    target.pub.tokens(used, LAUNCHED)
    revoked = str(target.bought()["access_token"])
    target.pub.revoke(revoked)
    handle = Window(target.ehr, target.pub).handle()
    rs, ehr = basic("rs-main", "rs-main-secret"), basic("ehr-main", "ehr-main-secret")
    wrong = {"origin": "https://evil.example"}
    first, last = "x" + ASKER_SECRET[1:], ASKER_SECRET[:-1] + "x"
    return {
        "LC-01 unknown user, wrong password": (sign_in(target, "nobody"), sign_in(target, "alice"), OF_PASSWORDS),
        "LC-01 disabled user, wrong password": (sign_in(target, "gone"), sign_in(target, "alice"), OF_PASSWORDS),
        "CA-01 unknown client, wrong secret": (
            form("/token", REFRESH, basic("nobody", "wrong")),
            form("/token", REFRESH, basic("asking", "wrong")),
            SAMPLES,
        ),
        "CA-09 first letter wrong, last one wrong": (
            form("/token", REFRESH, basic("asking", first)),
            form("/token", REFRESH, basic("asking", last)),
            SAMPLES,
        ),
        "AZ-73 unknown launch, used launch": (opened(target, "x" * 43), opened(target, used), SAMPLES),
        "WM-05 unknown handle, wrong origin": (
            form("/web-messaging/introspect", {"handle": "swm_" + "x" * 43, **wrong}, ehr),
            form("/web-messaging/introspect", {"handle": handle, **wrong}, ehr),
            SAMPLES,
        ),
        "IN-11 unknown token, revoked token": (
            form("/introspect", {"token": "x" * 43}, rs),
            form("/introspect", {"token": revoked}, rs),
            SAMPLES,
        ),
        "IN-11 unknown token, another server's": (
            form("/introspect", {"token": "x" * 43}, basic("rs-other", "rs-other-secret")),
            form("/introspect", {"token": str(target.bought()["access_token"])}, basic("rs-other", "rs-other-secret")),
            SAMPLES,
        ),
        "RV-02 unknown token, another app's": (
            form("/revoke", {"token": "x" * 43}, basic("asking", ASKER_SECRET)),
            form("/revoke", {"token": str(target.bought()["access_token"])}, basic("asking", ASKER_SECRET)),
            SAMPLES,
        ),
        "TK-22 unknown refresh token, another app's": (
            form("/token", {**REFRESH, "client_id": "public"}),
            form("/token", {**REFRESH, "client_id": "public", "refresh_token": refresh_of_another(target)}),
            SAMPLES,
        ),
    }


def refresh_of_another(target: Target) -> str:
    return str(target.bought(target.sec, f"{LAUNCHED} offline_access")["refresh_token"])


def milliseconds(target: Target, question: Question) -> float:
    method, url, headers, body = question()
    asked = target.asked(method, url, headers, body)
    worker = target.wire.workers[0]
    begun = time.perf_counter()
    target.wire.send(asked.method, asked.target, asked.headers, asked.body, worker)
    return (time.perf_counter() - begun) * 1_000


def p_of(one: list[float], other: list[float]) -> float:
    """Two-sided, by the normal approximation; ties hardly happen with a clock this fine."""
    ranks = {value: rank for rank, value in enumerate(sorted(one + other), 1)}
    u = sum(ranks[value] for value in one) - len(one) * (len(one) + 1) / 2
    mean = len(one) * len(other) / 2
    deviation = math.sqrt(mean * (len(one) + len(other) + 1) / 6)
    return math.erfc(abs(u - mean) / deviation / math.sqrt(2))


def report(target: Target) -> None:
    print(f"{'':<58}{'n':>5}{'median ms':>20}{'difference':>12}{'p':>8}")  # noqa: T201  this is its output
    for name, (one, other, samples) in pairs(target).items():
        taken: tuple[list[float], list[float]] = ([], [])
        for _ in range(samples):
            taken[0].append(milliseconds(target, one))
            taken[1].append(milliseconds(target, other))
        a, b = map(median, taken)
        line = f"{name:<58}{samples:>5}{a:>10.2f}{b:>10.2f}{(b - a) / a:>12.1%}{p_of(*taken):>8.3f}"
        print(line)  # noqa: T201  this is its output


def hash_as_in_production(target: Target) -> None:
    """The passwords of tests are hashed quickly, which would tell them from the work that is done for nobody."""
    passwords = target.services.passwords
    passwords.hasher = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
    with target.services.db.write() as session:
        for name in ("alice", "gone"):
            passwords.set_password(session, sub_of(target, name), f"{name}-password")


def main() -> int:
    with TemporaryDirectory() as name, ExitStack() as stack:
        target = stack.enter_context(serving(Path(name), {}, in_a_file(Path(name))))
        stack.enter_context(target.app.app_context())
        hash_as_in_production(target)
        report(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
