"""A model of what may be alive, held against the server after every step (security.md 3.4, "Model-based part").

``MACHINE_EXAMPLES`` and ``MACHINE_STEPS`` make it longer: ``make machine`` runs 200 of 40.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, TypeVar, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from authz.app import create_app
from authz.keyring.rotation import Rotation
from tests.actors import Browser, SmartApp
from tests.world import World, build, settings_in

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.services import Services
    from tests.transport import Reply

T = TypeVar("T")
INACTIVE = {"active": False}
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
KINDS = {"online": " online_access", "offline": " offline_access", "": ""}
PATIENT = "A"
FAMILIES = [("online", None), ("online", "s1"), ("offline", "s1"), ("offline", None)]
TIMES = [SECOND, 9 * SECOND, 11 * SECOND, 61 * SECOND, HOUR - SECOND, 5 * HOUR, 13 * HOUR, 91 * DAY]
APPS = st.sampled_from(["public", "confidential"])
SELDOM = st.sampled_from([False, False, False, True])


def several(*values: T) -> T:
    """For the bundle: each of these, or nothing."""
    return cast("T", multiple(*values))


@dataclass
class Grant:
    """What one opening of an app led to."""

    app: str
    user: str
    kind: str
    since: datetime
    session: str | None = None  # of the EHR
    browser: Browser | None = None  # whose session at this server it came from
    is_revoked: bool = False


@dataclass
class Code:
    text: str
    verifier: str
    grant: Grant
    ends: datetime
    is_used: bool = False


@dataclass
class Access:
    text: str
    grant: Grant
    ends: datetime
    is_revoked: bool = False


@dataclass
class Refresh:
    """A generation of a family."""

    text: str
    grant: Grant
    ends: datetime
    access: Access
    used_at: datetime | None = None
    is_repeated: bool = False
    replaced_at: datetime | None = None  # its answer was taken for lost
    successor: Refresh | None = None


@dataclass
class Model:
    off_apps: set[str] = field(default_factory=set)
    gone_apps: set[str] = field(default_factory=set)
    off_people: set[str] = field(default_factory=set)
    ended_sessions: set[str] = field(default_factory=set)
    touched: dict[str, datetime] = field(default_factory=dict)
    access: list[Access] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)


class Machine(RuleBasedStateMachine):
    codes = Bundle("codes")
    refreshes = Bundle("refreshes")
    tokens = Bundle("tokens")
    browsers = Bundle("browsers")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="authz-machine-"))
        self.settings = settings_in(self.folder)
        self.world: World = build(self.settings)
        self.app = self.world.app
        self.model = Model()

    def teardown(self) -> None:
        self.agree(self.model.access)
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        made = self.services
        with self.app.app_context():
            made.db.engine.dispose()
        made.backend.close()

    @property
    def services(self) -> Services:
        made: Services = self.app.extensions["authz"]
        return made

    @property
    def now(self) -> datetime:
        return self.world.clock()

    def client(self, name: str) -> SmartApp:
        return {"public": self.world.public, "confidential": self.world.confidential}[name]

    def is_up(self, app: str) -> bool:
        return app not in self.model.off_apps | self.model.gone_apps

    def is_alive(self, token: Access) -> bool:
        return not token.is_revoked and not token.grant.is_revoked and token.ends > self.now

    def revoke(self, grants: list[Grant]) -> None:
        for grant in grants:
            grant.is_revoked = True

    def agree(self, tokens: list[Access]) -> None:
        for token in tokens:
            answer = self.world.fhir_server.introspect(token.text)
            assert answer["active"] is self.is_alive(token), token
            if answer["active"]:
                assert (answer["client_id"], answer["patient"]) == (token.grant.app, PATIENT)
            else:
                assert answer == INACTIVE

    @initialize(target=refreshes)
    def begin(self) -> Refresh:
        """Keys, the store's file, and a family of each kind, so that there is something to lose from the start."""
        with self.app.app_context(), self.services.db.write() as session:
            Rotation(self.services.keyring, 0).generate(session)
        self.services.backend.put({"begun": b""}, 60)  # makes its file
        families = [self.redeem(self.launch("public", kind, session), True) for kind, session in FAMILIES]
        return several(*cast("list[Refresh]", families))

    @invariant()
    def three_old_tokens_are_what_they_are(self) -> None:
        """I4, I5, I10: what was revoked or ran out is dead for ever, what was promised lives."""
        known = self.model.access
        self.agree(known[:1] + known[len(known) // 2 : len(known) // 2 + 1] + known[-1:])

    # what apps, people and the EHR do

    @rule(target=codes, app=APPS, kind=st.sampled_from(sorted(KINDS)), session=st.sampled_from([None, "s1", "s2"]))
    def launch(self, app: str, kind: str, session: str | None) -> Code:
        """An EHR opens an app; it gets a code unless somebody is switched off."""
        client = self.client(app)
        more = {} if session is None else {"session": session}
        user = "Practitioner/dr"
        record = {"client_id": app, "fhir_server": client.aud, "user": user, "patient": PATIENT, **more}
        answer = self.world.ehr.post("/launch", record)
        may = self.is_up(app) and "doctor" not in self.model.off_people and session not in self.model.ended_sessions
        if not may:
            assert answer.status in {400, 403}, answer.text
            return several()
        assert answer.status == 201, answer.text
        browser = Browser(self.world.transport)
        page = browser.open(
            client.authorize_url(launch=answer.json()["launch"], scope=f"launch patient/*.rs{KINDS[kind]}")
        )
        page = browser.submit(page, press="allow") if page.status == 200 else page
        return self.code_of(page, Grant(app, "doctor", kind, self.now, session))

    @rule(target=browsers)
    def somebody_sits_down(self) -> Browser:
        return Browser(self.world.transport)

    @rule(target=codes, browser=browsers, app=APPS, kind=st.sampled_from(sorted(KINDS)), agrees=st.booleans())
    def open_from_outside(self, browser: Browser, app: str, kind: str, agrees: bool) -> Code:  # noqa: FBT001  a value drawn
        """Alice opens an app; signs in if she has to; agrees, if asked, or not."""
        client = self.client(app)
        page = browser.open(client.authorize_url(scope=f"launch/patient patient/*.rs{KINDS[kind]}"))
        if not self.is_up(app):
            assert (page.status, page.header("location")) == (400, None)
            return several()
        if page.status == 200 and 'name="password"' in page.text:
            page = browser.sign_in(page, "alice", "alice-password")
            if "alice" in self.model.off_people:
                assert page.status in {401, 429}, page.status
                return several()
        if page.status == 200:
            page = browser.submit(page, press="allow" if agrees else "deny")
            if not agrees:
                assert page.location_parameters["error"] == "access_denied"
                return several()
        assert "alice" not in self.model.off_people
        return self.code_of(page, Grant(app, "alice", kind, self.now, browser=browser))

    def code_of(self, page: Reply, grant: Grant) -> Code:
        parameters = page.location_parameters
        assert "code" in parameters, parameters
        self.model.grants.append(grant)
        return Code(parameters["code"], self.client(grant.app).verifier, grant, self.now + 60 * SECOND)

    @rule(target=refreshes, code=codes, is_right=st.sampled_from([True, True, True, False]))
    def redeem(self, code: Code, is_right: bool) -> Refresh:  # noqa: FBT001  a value drawn
        """RFC 6749 §4.1.2, decision 8: once; a valid replay takes back what it bought; a wrong verifier nothing."""
        grant = code.grant
        reply = self.client(grant.app).redeem(code.text, code_verifier=code.verifier if is_right else "x" * 43)
        nothing: Refresh = several()
        if not self.is_up(grant.app):
            assert reply.json()["error"] == "invalid_client"
            return nothing
        is_good = is_right and not code.is_used and not grant.is_revoked and code.ends > self.now
        if not is_good:
            assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")
            if is_right and code.is_used:
                grant.is_revoked = True
            return nothing
        code.is_used = True
        return self.tokens_of(reply, grant) or nothing

    def tokens_of(self, reply: Reply, grant: Grant) -> Refresh | None:
        assert reply.status == 200, reply.text
        answer = reply.json()
        access = Access(answer["access_token"], grant, self.now + HOUR)
        self.model.access.append(access)
        assert ("refresh_token" in answer) is bool(grant.kind)
        if not grant.kind:
            return None
        online = (4 * HOUR, 12 * HOUR if grant.session else 4 * HOUR)
        idle, total = (90 * DAY, 365 * DAY) if grant.kind == "offline" else online
        return Refresh(answer["refresh_token"], grant, min(self.now + idle, grant.since + total), access)

    def ends(self, token: Refresh) -> datetime:
        """An EHR session that is in use keeps ``online_access`` alive (decision 10)."""
        grant = token.grant
        touched = self.model.touched.get(grant.session or "")
        if grant.kind != "online" or touched is None:
            return token.ends
        return max(token.ends, min(touched + 4 * HOUR, grant.since + 12 * HOUR))

    @rule(target=refreshes, token=refreshes)
    def refresh(self, token: Refresh) -> Refresh:
        """RFC 9700 §4.14, decisions 9 and 0005: rotation, one repeat within the grace, after it the family dies; and
        whenever what was taken for lost comes.
        """
        grant, grace = token.grant, 10 * SECOND
        reply = self.client(grant.app).refresh(token.text)
        nothing: Refresh = several()
        if not self.is_up(grant.app):
            assert reply.json()["error"] == "invalid_client"
            return nothing
        is_alive = token.replaced_at is None and not grant.is_revoked and self.ends(token) > self.now
        is_late = token.used_at is not None and self.now - token.used_at > grace
        successor = token.successor
        may_repeat = successor is not None and successor.used_at is None and not token.is_repeated
        if not is_alive or is_late or (token.used_at is not None and not may_repeat):
            assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")
            if (is_alive and is_late) or token.replaced_at is not None:
                grant.is_revoked = True
            return nothing
        if successor is not None:
            token.is_repeated = successor.access.is_revoked = True
            successor.replaced_at = self.now
        token.used_at = token.used_at or self.now
        token.successor = self.tokens_of(reply, grant)
        assert token.successor is not None
        return token.successor

    @rule(token=refreshes)
    def give_refresh_token_back(self, token: Refresh) -> None:
        """RFC 7009 §2.1, decision 0002: its grant goes along."""
        reply = self.client(token.grant.app).revoke(token.text)
        if self.is_up(token.grant.app):
            assert reply.status == 200
            token.grant.is_revoked = True

    @rule(data=st.data())
    def give_access_token_back(self, data: st.DataObject) -> None:
        """RFC 7009 §2.1, decision 0002: it goes alone."""
        if not self.model.access:
            return
        token = data.draw(st.sampled_from(self.model.access))
        reply = self.client(token.grant.app).revoke(token.text)
        if self.is_up(token.grant.app):
            assert reply.status == 200
            token.is_revoked = True

    @rule(browser=consumes(browsers))
    def sign_out(self, browser: Browser) -> None:
        """SMART REF-12: what the session brought ends, but for ``offline_access``."""
        page = browser.open(f"{self.world.issuer}/logout")
        if page.status == 200 and "<form" in page.text:
            browser.submit(page, press="sign_out")
        assert "authz_session" not in browser.cookies
        self.end([grant for grant in self.model.grants if grant.browser is browser])

    @rule(session=st.sampled_from(["s1", "s2"]))
    def end_ehr_session(self, session: str) -> None:
        assert self.world.ehr.end_session(session).status == 204
        self.model.ended_sessions.add(session)
        self.end([grant for grant in self.model.grants if grant.session == session])

    def end(self, grants: list[Grant]) -> None:
        for grant in grants:
            grant.is_revoked = grant.is_revoked or grant.kind != "offline"

    @rule(session=st.sampled_from(["s1", "s2"]))
    def use_ehr_session(self, session: str) -> None:
        is_over = session in self.model.ended_sessions
        assert self.world.ehr.touch_session(session).status == (400 if is_over else 204)
        if not is_over:
            self.model.touched[session] = self.now

    # what administrators do

    @rule(user=st.sampled_from(["doctor", "alice"]), is_meant=SELDOM)
    def switch_person_off(self, user: str, is_meant: bool) -> None:  # noqa: FBT001  a value drawn
        if not is_meant:
            return
        self.set_person(user, enabled=False)
        self.model.off_people.add(user)
        self.revoke([grant for grant in self.model.grants if grant.user == user])

    @rule(user=st.sampled_from(["doctor", "alice"]))
    def switch_person_on(self, user: str) -> None:
        """What was revoked stays revoked."""
        self.set_person(user, enabled=True)
        self.model.off_people.discard(user)

    def set_person(self, user: str, *, enabled: bool) -> None:
        made = self.services
        with self.app.app_context():
            found = made.users.by_name(user)
            assert found is not None

            def change(session: Session) -> None:
                made.users.set_enabled(session, found.sub, enabled=enabled)

            if enabled:
                with made.db.write() as session:
                    change(session)
            else:
                made.revocation.revoke_user(found.sub, "user_disabled", within=change)

    @rule(app=APPS, is_meant=SELDOM)
    def switch_app(self, app: str, is_meant: bool) -> None:  # noqa: FBT001  a value drawn
        """Off seldom, on again as soon as may be."""
        enabled = app in self.model.off_apps
        if not enabled and not is_meant:
            return
        made = self.services
        if app in self.model.gone_apps:
            return

        def change(session: Session) -> None:
            made.clients.set_enabled(session, app, enabled=enabled)

        with self.app.app_context():
            if enabled:
                with made.db.write() as session:
                    change(session)
                self.model.off_apps.discard(app)
            else:
                made.revocation.revoke_client(app, "client_disabled", within=change)
                self.model.off_apps.add(app)
                self.revoke([grant for grant in self.model.grants if grant.app == app])

    @rule(is_meant=SELDOM)
    def delete_app(self, is_meant: bool) -> None:  # noqa: FBT001  a value drawn, so that it is seldom
        made, app = self.services, "confidential"
        if not is_meant or app in self.model.gone_apps:
            return

        def change(session: Session) -> None:
            made.clients.remove(session, app)

        with self.app.app_context():
            made.revocation.revoke_client(app, "client_removed", within=change)
        self.model.gone_apps.add(app)
        self.revoke([grant for grant in self.model.grants if grant.app == app])

    @rule()
    def rotate_keys(self) -> None:
        made = self.services
        with self.app.app_context(), made.db.write() as session:
            Rotation(made.keyring, 0).rotate(session, at_once=True)

    # what happens to the machine

    @rule(by=st.sampled_from(TIMES))
    def time_passes(self, by: timedelta) -> None:
        self.world.clock.forward(seconds=by.total_seconds())

    @rule()
    def store_is_emptied(self) -> None:
        """Launches, interactions and sessions may end with it; nothing comes back to life."""
        with closing(sqlite3.connect(self.settings.short_lived_path, isolation_level=None)) as store:
            store.execute("DELETE FROM entries")

    @rule()
    def server_is_restarted(self) -> None:
        """Nothing that counts is in the process."""
        self.stop()
        self.app = create_app(self.settings, now=self.world.clock)
        self.world.transport.app = self.app  # type: ignore[attr-defined]  # in process


class TestMachine(Machine.TestCase):  # type: ignore[misc, valid-type]  # made by hypothesis, without types
    settings = settings(
        max_examples=int(os.environ.get("MACHINE_EXAMPLES", "20")),
        stateful_step_count=int(os.environ.get("MACHINE_STEPS", "20")),
        deadline=None,
    )
