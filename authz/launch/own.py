"""What an EHR may see, and take back, of the launches that it made itself (security.md LA-09, LA-13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.audit.event import EventName
from authz.errors import InvalidRequest, NotFound
from authz.launch.launch import Launch, LaunchUnusable
from authz.launch.model import SpentLaunchRow
from authz.launch.record import IDS, named
from authz.launch.store import RECORDS, USED, WITHDRAWN

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.fhir_servers.registry import Ehr
    from authz.launch.store import Launches


@dataclass(frozen=True, slots=True)
class OwnLaunches:
    launches: Launches

    def withdraw(self, ehr: Ehr, launch_id: str, peer: Peer | None) -> None:
        """Take back a launch that waits; again changes nothing.

        Raises NotFound if it is not there or another's, InvalidRequest if it has been used.
        """
        launch = self.waiting(ehr, launch_id)
        if launch is not None:
            with self.launches.db.write() as session:
                if self.launches.enter(session, launch, WITHDRAWN):
                    self.launches.trail.record(session, launch.event(EventName.LAUNCH_WITHDRAWN, peer))
            self.launches.backend.delete(RECORDS + launch.digest, IDS + launch_id)
        spent = self.spent(ehr, launch_id)
        if spent is None:
            raise NotFound("no such launch")
        if spent.state == USED:
            raise InvalidRequest("the app has used this launch; end the EHR session to end what came of it")

    def look_up(self, ehr: Ehr, launch_id: str) -> dict[str, Any] | None:
        """What became of a launch, for the EHR that made it; None for any other, and for one whose time is over."""
        if (spent := self.spent(ehr, launch_id)) is not None:
            at = int(spent.at.timestamp())
            return {"launch_id": launch_id, "state": spent.state, "client_id": spent.client_id, "at": at}
        launch = self.waiting(ehr, launch_id)
        return None if launch is None else launch.summary(self.launches.now())

    def waiting(self, ehr: Ehr, launch_id: str) -> Launch | None:
        key = named(launch_id, self.launches.backend.get(IDS + launch_id)[0], self.launches.secrets)
        try:
            launch = self.launches.find(key) if key is not None else None
        except LaunchUnusable:
            return None
        return launch if launch is not None and is_of(ehr, launch) else None

    def spent(self, ehr: Ehr, launch_id: str) -> SpentLaunchRow | None:
        with self.launches.db.read() as session:
            row = session.scalar(select(SpentLaunchRow).where(SpentLaunchRow.launch_id == launch_id))
        return row if row is not None and is_of(ehr, row) else None


def is_of(ehr: Ehr, launch: Launch | SpentLaunchRow) -> bool:
    return launch.ehr == ehr.client_id and launch.fhir_server in ehr.fhir_servers
