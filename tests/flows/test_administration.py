"""Who gets to the administrators' pages, and for how long."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from pyotp import TOTP
from sqlalchemy import select, update

from authz.audit.model import AuditEventRow
from authz.login.throttle import ACCOUNT, CODES
from authz.users.model import BrowserSessionRow
from tests.actors import FORM, Browser, Forms
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transport import Reply
    from tests.world import World

HOME = f"{ISSUER}/admin/registrations"
SIGN_IN = f"{ISSUER}/admin/sign-in"
PASSWORD = "ada-password"


def add_administrator(world: World, name: str = "ada", *, role: str | None = "administrator") -> TOTP:
    """With an authenticator app, of which this is the inside."""
    with world.services.db.write() as session:
        user = world.services.users.add(session, name, name.title())
        world.services.users.set_role(session, user.sub, role)
        world.services.passwords.set_password(session, user.sub, f"{name}-password")
        enrolment = world.services.second_factor.enrol(session, user)
    return TOTP(parse_qs(urlsplit(enrolment.uri).query)["secret"][0])


def sign_in(browser: Browser, name: str, password: str, code: str) -> Reply:
    page = browser.open(SIGN_IN)
    return browser.submit(page, {"username": name, "password": password, "code": code})


def signed_in(world: World, name: str = "ada", app: TOTP | None = None) -> Browser:
    browser = world.browser()
    page = sign_in(browser, name, f"{name}-password", (app or add_administrator(world, name)).at(world.clock()))
    assert page.status == 200, page.text
    assert is_in(browser)
    return browser


def is_in(browser: Browser) -> bool:
    page = browser.request("GET", HOME)
    assert page.status == 200 or (page.status, page.location) == (303, SIGN_IN)
    return page.status == 200


def problem(page: Reply) -> str:
    found = re.search(r'id="problem">\s*<p>([^<]*)', page.text)
    assert found is not None, page.text
    return unescape(found.group(1))


def trail(world: World) -> list[tuple[str, str | None]]:
    with world.services.db.read() as session:
        mine = AuditEventRow.event.in_(["login", "login.failed", "logout", "rate_limited"])
        return [(row.event, row.reason) for row in session.scalars(select(AuditEventRow).where(mine))]


def test_name_password_and_code_let_an_administrator_in(world: World) -> None:
    app = add_administrator(world)
    browser = world.browser()
    assert (browser.open(f"{ISSUER}/admin").status, browser.url) == (200, SIGN_IN)
    page = sign_in(browser, "ada", PASSWORD, app.at(world.clock()))
    assert (page.status, browser.url) == (200, HOME)
    assert is_in(browser)
    assert trail(world) == [("login", None)]


def test_what_is_wrong_is_not_told(world: World) -> None:
    """security.md LC-01: name, password and code read the same."""
    app = add_administrator(world)
    good = app.at(world.clock())
    tried = [("nobody", PASSWORD, good), ("ada", "wrong", good), ("ada", PASSWORD, "123"), ("alice", "wrong", "")]
    told = set()
    for name, password, code in tried:
        page = sign_in(world.browser(), name, password, code)
        told.add((page.status, problem(page), len(page.text.replace(f'value="{name}"', ""))))
    assert len(told) == 1
    assert told.pop()[:2] == (401, "The user name, the password or the code is not right, or the code was used before.")


def test_a_code_is_good_once_here_too(world: World) -> None:
    """RFC 6238 §5.2."""
    app = add_administrator(world)
    signed_in(world, app=app)
    assert sign_in(world.browser(), "ada", PASSWORD, app.at(world.clock())).status == 401


def test_an_administrator_without_a_second_factor_is_told_what_to_do(world: World) -> None:
    """Issue 4: TOTP required."""
    add_administrator(world)
    user = world.services.users.by_name("ada")
    assert user is not None
    with world.services.db.write() as session:
        world.services.second_factor.remove(session, user.sub)
    browser = world.browser()
    page = sign_in(browser, "ada", PASSWORD, "")
    assert (page.status, problem(page)) == (
        403,
        "Administrators need a second factor. Ask the operator of this server for one.",
    )
    assert not is_in(browser)
    assert trail(world)[-1] == ("login.failed", "no_second_factor")


@pytest.mark.parametrize("name", ["alice", "ada"])
def test_nobody_else_gets_in_whatever_they_know(world: World, name: str) -> None:
    app = add_administrator(world, role=None)
    browser = world.browser()
    page = sign_in(browser, name, f"{name}-password", app.at(world.clock()) if name == "ada" else "")
    assert (page.status, problem(page)) == (403, "This account is not an administrator's.")
    assert not is_in(browser)
    assert trail(world)[-1] == ("login.failed", "not_administrator")


def test_tries_are_counted(world: World) -> None:
    """security.md LC-02, RL-02; a code is counted only after the right password."""
    add_administrator(world)
    for _ in range(CODES.tries):
        assert sign_in(world.browser(), "ada", PASSWORD, "000000").status == 401
    page = sign_in(world.browser(), "ada", PASSWORD, "000000")
    assert (page.status, page.header("retry-after")) == (429, "600")
    for _ in range(ACCOUNT.tries):
        page = sign_in(world.browser(), "bob", "wrong", "")
    page = sign_in(world.browser(), "bob", "wrong", "")
    assert (page.status, problem(page)) == (
        429,
        "Too many attempts to sign in. Wait a few minutes, then try again.",
    )


def test_the_cookie_is_strict_new_at_each_sign_in_and_no_other(tmp_path: Path) -> None:
    """security.md HC-02, LC-05."""
    world = build(settings_in(tmp_path, issuer="https://auth.example"))
    with world.app.app_context():
        app = add_administrator(world)
        browser = world.browser()
        page = browser.open("https://auth.example/admin/sign-in")
        (before,) = page.headers["set-cookie"]
        fields = dict(Forms(page.text).fields) | {
            "username": "ada",
            "password": PASSWORD,
            "code": app.at(world.clock()),
        }
        target = "https://auth.example/admin/sign-in"
        reply = browser.request("POST", target, urlencode(fields).encode(), {"Content-Type": FORM})
        after, device = reply.headers["set-cookie"]
        attributes = r"; Expires=[^;]+; Max-Age=28800; Secure; HttpOnly; Path=/; SameSite=Strict"
        assert re.fullmatch(rf"__Host-authz_admin=[\w-]{{43}}{attributes}", before)
        assert re.fullmatch(rf"__Host-authz_admin=[\w-]{{43}}{attributes}", after)
        assert before.split(";")[0] != after.split(";")[0]
        assert device.startswith("__Host-authz_device=")
        world.services.db.engine.dispose()


def test_signing_in_again_ends_the_session_before(world: World) -> None:
    """security.md LC-05, ASVS 7.2.4."""
    app = add_administrator(world)
    browser, stolen = signed_in(world, app=app), world.browser()
    stolen.cookies.update(browser.cookies)
    world.clock.forward(seconds=30)
    sign_in(browser, "ada", PASSWORD, app.at(world.clock()))
    assert (is_in(browser), is_in(stolen)) == (True, False)


def test_a_session_of_apps_opens_nothing_here_and_the_other_way_round(world: World) -> None:
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="openid patient/*.rs launch/patient"))
    browser.sign_in(page, "alice", "alice-password")
    browser.cookies["authz_admin"] = browser.cookies["authz_session"]
    assert not is_in(browser)
    browser = signed_in(world)
    browser.cookies["authz_session"] = browser.cookies["authz_admin"]
    page = browser.open(world.public.authorize_url(scope="openid", prompt="none"))
    assert page.location_parameters["error"] == "login_required"


def test_it_ends_after_a_quarter_of_an_hour_without_a_click(world: World) -> None:
    browser = signed_in(world)
    for _ in range(3):
        world.clock.forward(minutes=14)
        assert is_in(browser)
    world.clock.forward(minutes=15)
    assert not is_in(browser)


def test_it_ends_after_eight_hours_whatever_they_do(world: World) -> None:
    browser = signed_in(world)
    for _ in range(8 * 6 - 1):
        world.clock.forward(minutes=10)
        assert is_in(browser)
    world.clock.forward(minutes=10)
    assert not is_in(browser)


@pytest.mark.parametrize("change", ["role", "disabled", "second factor", "password", "session row"])
def test_what_is_taken_away_is_gone_at_the_next_click(world: World, change: str) -> None:
    """Decision 3: rows decide, not the store."""
    browser = signed_in(world)
    user = world.services.users.by_name("ada")
    assert user is not None
    world.clock.forward(seconds=1)
    with world.services.db.write() as session:
        match change:
            case "role":
                world.services.users.set_role(session, user.sub, None)
            case "disabled":
                world.services.users.set_enabled(session, user.sub, enabled=False)
            case "second factor":
                world.services.second_factor.remove(session, user.sub)
            case "password":
                world.services.passwords.set_password(session, user.sub, PASSWORD)
            case _:
                session.execute(update(BrowserSessionRow).values(ended_at=world.clock()))
    assert not is_in(browser)


def test_signing_out_ends_it(world: World) -> None:
    browser = signed_in(world)
    stolen = world.browser()
    stolen.cookies.update(browser.cookies)
    page = browser.open(HOME)
    assert browser.submit(page).status == 200
    assert browser.url == SIGN_IN
    assert not is_in(stolen)
    assert trail(world)[-1] == ("logout", "administration")


@pytest.mark.parametrize("path", ["/admin/sign-in", "/admin/sign-out"])
@pytest.mark.parametrize("token", ["", "0" * 64, "of another"])
def test_a_form_of_another_page_does_nothing(world: World, path: str, token: str) -> None:
    """security.md LC-11: a form without our token, or with that of another cookie."""
    browser = signed_in(world)
    if token == "of another":
        token = dict(Forms(world.browser().open(SIGN_IN).text).fields)["form_token"]
    fields = {"username": "ada", "password": PASSWORD, "form_token": token}
    reply = browser.request("POST", ISSUER + path, urlencode(fields).encode(), {"Content-Type": FORM})
    assert reply.status == 403
    assert is_in(browser)


def test_the_pages_are_framed_by_nobody_and_kept_by_nobody(world: World) -> None:
    """security.md LC-13, LC-22, HC-01."""
    for page in (world.browser().open(SIGN_IN), signed_in(world).open(HOME)):
        policy = page.header("content-security-policy") or ""
        assert "default-src 'none'" in policy
        assert "form-action 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert (page.header("cache-control"), page.header("x-frame-options")) == ("no-store", "DENY")
        assert page.header("x-robots-tag") == "noindex, nofollow"
        assert "<script" not in page.text
