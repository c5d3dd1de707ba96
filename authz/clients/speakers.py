"""Who speaks for an EHR: its own credential, or a client with ``__launch`` (decision 17); and whether they still may.

Both are named in one place of a launch, and their names never meet: a client's has a prefix there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.clients.client import from_row
from authz.clients.model import ClientRow
from authz.keyring.public_keys import thumbprints
from authz.launch.directory import LAUNCH_SCOPE
from authz.launch.launch import LaunchUnusable, Origin, Unusable
from authz.storage.turns import of_client, of_ehr, together

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.fhir_servers.ehrs import Ehrs
    from authz.fhir_servers.model import EhrRow
    from authz.launch.launch import Launch

OF_CLIENT = "client:"  # no EHR can be registered under a name with a colon


def ehr_name(client_id: str) -> str:
    """What a client is called where it speaks for an EHR."""
    return OF_CLIENT + client_id


@dataclass(frozen=True, slots=True)
class Speakers:
    ehrs: Ehrs
    now: Callable[[], datetime]

    def check(self, session: Session, launch: Launch, *, until_commit: bool = False) -> None:
        """Whether who made the launch is still there, switched on and for its FHIR server; of a JWT, by that key.

        Who was not meanwhile begins anew, and so does another of the same name: what was made before is over.

        ``until_commit``: nobody can change that before the caller's transaction ends. Raises LaunchUnusable.
        """
        if launch.ehr is None or launch.origin is Origin.TRIAL:
            return  # nobody's credential made it
        is_client, client_id = launch.ehr.startswith(OF_CLIENT), launch.ehr.removeprefix(OF_CLIENT)
        if until_commit:
            together(session, of_client(client_id) if is_client else of_ehr(launch.ehr))
        if is_client:
            may_speak = self.is_client(session, client_id, launch)
        else:
            ehr = self.ehrs.at(session, launch.ehr, launch.fhir_server, launch.made_at)
            may_speak = ehr is not None and (launch.origin is not Origin.JWT or may_sign(ehr, launch.signed_by))
        if not may_speak:
            raise LaunchUnusable(Unusable.EHR_GONE, launch.launch_id)

    def is_client(self, session: Session, client_id: str, launch: Launch) -> bool:
        row = session.get(ClientRow, client_id, populate_existing=True)
        if row is None or not row.enabled or (row.enabled_at is not None and launch.made_at < row.enabled_at):
            return False
        client = from_row(row, self.now())
        return client.is_approved and client.may_use(launch.fhir_server) and LAUNCH_SCOPE in client.scope


def may_sign(ehr: EhrRow, thumbprint: str | None) -> bool:
    """Whether its keys are still believed, and this one is among them."""
    return ehr.jwks is not None and (thumbprint is None or thumbprint in thumbprints(ehr.jwks))
