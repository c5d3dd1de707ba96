"""What people and administrators do at the server under attack while a case runs."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from authz.storage.recent import A_SECOND
from authz.storage.turns import of_user
from tests.my_apps.test_story import LINK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from tests.actors import Browser
    from tests.attacks.live.target import Target

FORM_TOKEN = re.compile(r'name="form" value="([^"]+)"')


def sub_of(target: Target, name: str) -> str:
    user = target.services.users.by_name(name)
    assert user is not None
    return user.sub


@contextmanager
def user_off(target: Target, name: str = "bob") -> Iterator[None]:
    """Switched off in the database alone: nothing is revoked, so that only a look at the person can refuse."""
    with again(target, user=name):
        with target.services.db.write() as session:
            target.services.users.set_enabled(session, sub_of(target, name), enabled=False)
        yield


@contextmanager
def client_off(target: Target, client_id: str = "public") -> Iterator[None]:
    with again(target, client_id=client_id):
        with target.services.db.write() as session:
            target.services.clients.set_enabled(session, client_id, enabled=False)
        yield


def revoke_user(target: Target, name: str) -> None:
    """As ``authz user disable`` does it."""

    def change(session: Session) -> None:
        target.services.users.set_enabled(session, sub, enabled=False)

    sub = sub_of(target, name)
    target.services.revocation.revoke_user(sub, "disabled", within=change)


def revoke_client(target: Target, client_id: str) -> None:
    """As ``authz client disable`` does it."""

    def change(session: Session) -> None:
        target.services.clients.set_enabled(session, client_id, enabled=False)

    target.services.revocation.revoke_client(client_id, "disabled", within=change)


def stop_representing(target: Target, name: str, patient: str) -> None:
    """As ``authz user stop-representing`` does it."""

    def change(session: Session) -> list[tuple[str, str, str]]:
        assert target.services.users.stop_representing(session, sub, "main", patient)
        return [(sub, "main", patient)]

    sub = sub_of(target, name)
    target.services.revocation.revoke_patients([of_user(sub)], "represents_no_more", within=change)


@contextmanager
def again(target: Target, *, user: str = "", client_id: str = "") -> Iterator[None]:
    """Whoever is switched off within is switched on again afterwards."""
    try:
        yield
    finally:
        with target.services.db.write() as session:
            if user:
                target.services.users.set_enabled(session, sub_of(target, user), enabled=True)
            if client_id:
                target.services.clients.set_enabled(session, client_id, enabled=True)
        if client_id:
            time.sleep(A_SECOND)  # until the server believes it


def set_password(target: Target, name: str, password: str) -> None:
    """As ``authz user set-password`` does it."""
    made, sub = target.services, sub_of(target, name)
    made.revocation.revoke_user(
        sub, "password_changed", within=lambda session: made.passwords.set_password(session, sub, password)
    )


def my_apps(target: Target, name: str) -> Browser:
    """A browser on the page of somebody's apps."""
    browser = target.browser()
    browser.sign_in(browser.open(f"{target.issuer}/my-apps?fhir_server=main"), name, f"{name}-password")
    return browser


def take_everything_back(target: Target, name: str) -> None:
    """On the person's own page, by its forms."""
    browser = my_apps(target, name)
    for link in LINK.findall(browser.request("GET", f"{target.issuer}/my-apps").text):
        asked = browser.request("GET", f"{target.issuer}{link}/stop")
        assert FORM_TOKEN.search(asked.text), asked
        assert browser.submit(asked, to="/stop").status == 200


def for_bob(target: Target, scope: str) -> tuple[Browser, str]:
    """A new browser of bob's, and the code of the public app that he has opened by himself."""
    browser = target.browser()
    return browser, target.agreed(browser, "bob", target.pub.authorize_url(scope=scope))
