"""What became of a launch, for the EHR that made it: it may be the one to send the first message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select

from authz.launch.store import USED
from authz.tokens.handles import Told
from authz.tokens.live_handles import live_handles
from authz.tokens.model import CodeRow, GrantRow, MessagingHandleRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.fhir_servers.registry import Ehr
    from authz.launch.own import OwnLaunches
    from authz.tokens.handles import Handles


@dataclass(frozen=True, slots=True)
class Launched:
    launches: OwnLaunches
    handles: Handles

    def look_up(self, ehr: Ehr, launch_id: str) -> dict[str, Any] | None:
        """``created``, ``authorized``, ``token_issued`` or ``ended``; None for a launch that is not there for this EHR.

        With the handle while it is good, once the app has been told it.
        """
        found = self.launches.look_up(ehr, launch_id)
        if found is None or found["state"] == "waiting":
            return None if found is None else found | {"state": "created"}
        if found["state"] != USED:
            return found | {"state": "ended", "reason": found["state"]}
        with self.launches.launches.db.read() as session:
            grant = session.scalar(select(GrantRow).where(GrantRow.launch_id == launch_id))
            return found | ({"state": "ended"} if grant is None else self.of_grant(session, grant))

    def of_grant(self, session: Session, grant: GrantRow) -> dict[str, Any]:
        if grant.revoked_at is not None:
            return {"state": "ended", "reason": grant.revoked_reason}
        redeemed = exists().where(CodeRow.grant_id == grant.id, CodeRow.used_at.is_not(None))
        state = "token_issued" if session.scalar(select(redeemed)) else "authorized"
        return {"state": state, "grant_id": grant.id, "scope": grant.scope, **self.handle(session, grant.id)}

    def handle(self, session: Session, grant_id: str) -> dict[str, str]:
        live = live_handles(self.handles.now()).where(MessagingHandleRow.grant_id == grant_id)
        row = session.scalars(live).one_or_none()
        handle = None if row is None else self.handles.box.open(row.sealed or b"")
        return {} if row is None or handle is None else Told(handle.decode(), row.origin).members()
