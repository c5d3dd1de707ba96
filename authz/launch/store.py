"""Launches: the context waits in the short-lived store, their single use is a row (decisions 1, 4)."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.audit.event import EventName
from authz.errors import InvalidRequest
from authz.launch.admission import MAX_SECONDS
from authz.launch.launch import WHICH_LAUNCH_URL, Launch, LaunchUnusable, Unusable, launch_id_of, launch_of
from authz.launch.model import SpentLaunchRow
from authz.launch.record import TRIAL, Seal, by_id, sealed, unsealed
from authz.launch.request import check_auth_time, load
from authz.launch.schema import LAUNCH, RECORD
from authz.launch.signed import is_signed
from authz.storage.database import insert_once
from authz.storage.records import HANDLE_BYTES, digest, plausible
from authz.strict_json import NotStrictJson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.clients.speakers import Speakers
    from authz.fhir_servers.registry import Ehr
    from authz.keyring.secrets import Secrets
    from authz.launch.direct import DirectWrites
    from authz.launch.directory import Directory
    from authz.launch.ehr_session import EhrSessions
    from authz.launch.signed import SignedLaunches
    from authz.storage.database import Database
    from authz.storage.short_lived import Backend

RECORDS = "launch:"  # the one prefix an EHR may be allowed to write to
CLAIMS = "launch-claim:"
USED, WITHDRAWN = "used", "withdrawn"


@dataclass(frozen=True, slots=True)
class Launches:
    """Everything that is done with launches. Whoever reads one gets Unavailable while the store or SQL is away."""

    db: Database
    backend: Backend
    secrets: Secrets
    directory: Directory
    direct: DirectWrites
    signed: SignedLaunches
    ehr_sessions: EhrSessions
    speakers: Speakers
    trail: Trail
    now: Callable[[], datetime]
    seconds: int  # life of a launch

    def create(
        self, ehr: Ehr | None, request: Mapping[str, Any], peer: Peer | None, *, trial: bool = False
    ) -> tuple[str, Launch]:
        """Keep a launch for an EHR, or for an operator (None); returns its handle, which is told this once.

        ``trial``: for the makers of the app, who may choose among test accounts only; that is for the caller to see to.

        Raises InvalidRequest naming what is wrong, InsufficientScope for a FHIR server that is not the EHR's.
        """
        asked = load(LAUNCH, request)
        check_auth_time(asked, self.now())
        vetted = self.directory.vet(asked, ehr)
        if vetted.launch_url is None:
            raise InvalidRequest(WHICH_LAUNCH_URL)
        handle = random.token_urlsafe(HANDLE_BYTES)
        key = digest(handle)
        now = self.now()
        times = {"auth_time": asked.auth_time or int(now.timestamp()), "exp": int(now.timestamp()) + self.seconds}
        members = vetted.asked.members | times | {"launch_url": vetted.launch_url}
        with self.db.write() as session:
            if asked.session is not None and not self.ehr_sessions.touch_in(session, vetted.server.name, asked.session):
                raise InvalidRequest("session: this EHR session has ended")
            seal = Seal(self.directory.sub(session, vetted), ehr.client_id if ehr else TRIAL if trial else None, now)
            launch = launch_of(key, load(RECORD, members), vetted.server, seal, seal.origin)
            self.trail.record(session, launch.event(EventName.LAUNCH_CREATED, peer))
            record = self.record(members, key, seal)
            # before the commit: if that fails, the record's handle is never told and so never used
            self.backend.put({RECORDS + key: record} | by_id(launch.launch_id, key, self.secrets), self.seconds)
        return handle, launch

    def record(self, members: dict[str, Any], key: str, seal: Seal) -> bytes:
        try:
            return sealed(members, key, seal, self.secrets)
        except NotStrictJson as cause:
            raise InvalidRequest(f"the launch can not be kept: {cause}") from cause

    def peek(self, handle: str) -> Launch | None:
        """The launch, if it may be used; it may again afterwards."""
        try:
            return self.read(handle)
        except LaunchUnusable:
            return None

    def read(self, handle: str) -> Launch:
        """The launch of a handle from anywhere, or of a JWT. Raises LaunchUnusable saying why not."""
        if is_signed(handle):
            proved = self.signed.prove(handle)
            self.check_unspent(proved.digest)
            return self.checked(self.signed.admit(proved))
        if not plausible(handle):
            raise LaunchUnusable(Unusable.UNKNOWN)
        return self.find(digest(handle))

    def find(self, key: str) -> Launch:
        """The launch of a handle's digest. Raises LaunchUnusable saying why not."""
        stored = self.backend.get(RECORDS + key)[0]
        self.check_unspent(key)  # also for an unknown one: a restored store must not revive what was used
        if stored is None:
            raise LaunchUnusable(Unusable.UNKNOWN)
        return self.checked(self.understand(key, stored))

    def check_unspent(self, key: str) -> None:
        with self.db.read() as session:
            spent = session.get(SpentLaunchRow, key)
        if spent is not None:
            raise over(spent)

    def checked(self, launch: Launch) -> Launch:
        """The launch, if it may still be used. Raises LaunchUnusable."""
        if launch.expires_at <= self.now():
            raise LaunchUnusable(Unusable.UNKNOWN, launch.launch_id)
        self.check_around(launch)
        return launch

    def check_around(self, launch: Launch) -> None:
        """Whether its user, its EHR and the EHR's session are still there. Raises LaunchUnusable."""
        if not self.directory.is_welcome(launch.user_sub, launch.fhir_server, launch.fhir_user):
            raise LaunchUnusable(Unusable.USER_GONE, launch.launch_id)
        with self.db.read() as session:
            self.speakers.check(session, launch)
            key = None if launch.session is None else digest(launch.session)
            if key is not None and self.ehr_sessions.is_ended(session, launch.fhir_server, key):
                raise LaunchUnusable(Unusable.SESSION_ENDED, launch.launch_id)

    def understand(self, key: str, stored: bytes) -> Launch:
        """Our own record is believed for its seal; any other is one that an EHR wrote, or says it did."""
        launch_id = launch_id_of(key)
        try:
            members, seal = unsealed(stored, key, self.secrets)
        except NotStrictJson as cause:
            raise LaunchUnusable(Unusable.MALFORMED, launch_id, str(cause)) from cause
        if seal is None:
            return self.direct.accept(key, RECORDS + key, members)
        asked = load(RECORD, members)
        server = self.directory.fhir_servers.by_aud(asked.fhir_server)
        if server is None:
            raise LaunchUnusable(Unusable.FOREIGN, launch_id, "the FHIR server was removed or switched off")
        return launch_of(key, asked, server, seal, seal.origin)

    def claim(self, launch_digest: str, claimant: str) -> bool:
        """Tie a launch to the first request that comes with it; only that one may come again (decision 14)."""
        mine = claimant.encode()
        holder = self.backend.claim(CLAIMS + launch_digest, mine, max(self.seconds, MAX_SECONDS))
        return holder is None or holder == mine

    def spend(self, session: Session, launch: Launch, grant_id: str, peer: Peer | None = None) -> None:
        """Use it up, in the transaction that issues the code.

        The launch's time is not looked at again: it had to be valid when the request came. Its EHR may have been
        switched off since, or its session ended: till the commit whoever does so waits, and then ends the grant.
        Raises LaunchUnusable.
        """
        self.speakers.check(session, launch, until_commit=True)
        if launch.session is not None and not self.ehr_sessions.touch_in(session, launch.fhir_server, launch.session):
            raise LaunchUnusable(Unusable.SESSION_ENDED, launch.launch_id)
        if not self.enter(session, launch, USED, grant_id):
            raise over(session.get_one(SpentLaunchRow, launch.digest))
        self.trail.record(session, launch.event(EventName.LAUNCH_USED, peer, grant_id))

    def enter(self, session: Session, launch: Launch, state: str, grant_id: str | None = None) -> bool:
        """The row that ends a launch; False if there is one."""
        return insert_once(
            session,
            SpentLaunchRow,
            digest=launch.digest,
            launch_id=launch.launch_id,
            state=state,
            ehr=launch.ehr,
            fhir_server=launch.fhir_server,
            client_id=launch.client_id,
            grant_id=grant_id,
            at=self.now(),
        )


def over(spent: SpentLaunchRow) -> LaunchUnusable:
    return LaunchUnusable(Unusable.USED if spent.state == USED else Unusable.WITHDRAWN, spent.launch_id)
