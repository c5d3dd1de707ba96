"""One launch, and what the audit trail says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from authz.audit.event import Event, EventName
from authz.launch.context import LaunchContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.audit.event import Peer
    from authz.fhir_servers.registry import FhirServer
    from authz.launch.record import Seal
    from authz.launch.request import LaunchRequest

WHICH_LAUNCH_URL = "launch_url: which one? This app has several or none"
ID_LENGTH = 32  # 128 bits
EARLIEST = timedelta(seconds=300)  # before its end a record can have been written


class Unusable(StrEnum):
    """Why a launch does not work: for the audit trail only, the app is told one sentence for all (AZ-73)."""

    UNKNOWN = "launch_unknown"  # or its time is over
    USED = "launch_used"
    WITHDRAWN = "launch_withdrawn"
    OTHER_CLIENT = "launch_of_other_client"
    OTHER_FHIR_SERVER = "launch_of_other_fhir_server"
    OTHER_REQUEST = "launch_claimed_by_other_request"
    SESSION_ENDED = "ehr_session_ended"
    USER_GONE = "user_gone"  # or is not who the EHR named any more
    EHR_GONE = "ehr_gone"  # or the client that spoke for one; or not for this FHIR server any more, or anew
    MALFORMED = "launch_malformed"
    LONG_LIVED = "launch_long_lived"
    UNTRUSTED = "launch_untrusted"  # a JWT that no trusted EHR made for us
    FOREIGN = "launch_foreign"  # names what is not known or not allowed here


class Origin(StrEnum):
    """How a launch came to be, in the audit trail's words."""

    OPERATOR = "operator"
    EHR = "ehr"  # POST /launch
    REDIS = "redis"  # written straight into Redis (decision 4)
    JWT = "jwt"  # signed and encrypted by the EHR
    TRIAL = "trial"  # from the pages of the app's makers


class LaunchUnusable(Exception):
    """A launch that must not be used; ``detail`` is for the audit trail and holds no value of the record."""

    def __init__(self, reason: Unusable, launch_id: str | None = None, detail: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.launch_id = launch_id
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch that was made and may still be used. Its handle is not in it."""

    launch_id: str  # not secret
    digest: str  # of the handle
    ehr: str | None  # credential that made it; None: an operator, or written straight into Redis
    client_id: str
    fhir_server: str  # name
    iss: str  # base URL as the EHR spells it: what the app sends as ``aud``
    user_sub: str
    context: LaunchContext
    expires_at: datetime
    auth_time: datetime
    made_at: datetime  # of a JWT: by its iat; without one, when it was read
    launch_url: str | None = None  # as registered
    session: str | None = None  # the EHR's id of its session
    web_messaging_origin: str | None = None
    origin: Origin = Origin.EHR
    fhir_user: str | None = None  # relative reference, as the EHR named the person; None: by login name
    signed_by: str | None = None  # of a JWT: thumbprint of the EHR's key; None also where the version before read it

    def url_to_open(self, handle: str) -> str | None:
        """The launch URL with ``iss`` and ``launch``; a query it has already is kept (SMART LAU-01, LAU-05)."""
        if self.launch_url is None:
            return None
        page, hash_, fragment = self.launch_url.partition("#")
        joint = "" if page.endswith(("?", "&")) else "&" if "?" in page else "?"
        return f"{page}{joint}{urlencode({'iss': self.iss, 'launch': handle})}{hash_}{fragment}"

    def summary(self, now: datetime) -> dict[str, Any]:
        """What the EHR that made it may read again while it waits."""
        optional = {
            "launch_url": self.launch_url,
            "session": self.session,
            "web_messaging_origin": self.web_messaging_origin,
        }
        return {
            "launch_id": self.launch_id,
            "state": "waiting",
            "expires_in": int((self.expires_at - now).total_seconds()),
            "client_id": self.client_id,
            "fhir_server": self.iss,
            **{name: value for name, value in optional.items() if value is not None},
            **self.context.as_parameters(),
        }

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON, to be kept while the person signs in and decides."""
        same = {name: getattr(self, name) for name in self.__slots__}
        return same | {
            "context": self.context.as_parameters(),
            "expires_at": self.expires_at.timestamp(),
            "auth_time": self.auth_time.timestamp(),
            "made_at": self.made_at.timestamp(),
        }

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Self:
        return cls(
            **dict(members)
            | {
                "context": LaunchContext.from_parameters(members["context"]),
                "expires_at": datetime.fromtimestamp(members["expires_at"], UTC),
                "auth_time": datetime.fromtimestamp(members["auth_time"], UTC),
                "made_at": datetime.fromtimestamp(members.get("made_at", members["auth_time"]), UTC),  # not told before
                "origin": Origin(members["origin"]),
            }
        )

    def event(self, name: EventName, peer: Peer | None = None, grant_id: str | None = None) -> Event:
        """What the audit trail is to say of it."""
        return Event(
            event=name,
            sub=self.user_sub,
            client_id=self.client_id,
            fhir_server=self.fhir_server,
            patient=self.context.patient,
            encounter=self.context.encounter,
            grant_id=grant_id,
            launch_id=self.launch_id,
            peer=peer,
            detail={"ehr": self.ehr, "written_by": str(self.origin)},
        )


def launch_of(digest: str, asked: LaunchRequest, server: FhirServer, seal: Seal, origin: Origin) -> Launch:
    """Put together what the record says and what was found out; without ``auth_time`` the earliest it can have been."""
    assert asked.exp is not None  # the schema of a record requires it
    expires_at = datetime.fromtimestamp(asked.exp, UTC)
    signed_in = expires_at - EARLIEST if asked.auth_time is None else datetime.fromtimestamp(asked.auth_time, UTC)
    return Launch(
        launch_id=launch_id_of(digest),
        digest=digest,
        ehr=seal.ehr,
        client_id=asked.client_id,
        fhir_server=server.name,
        iss=asked.fhir_server,
        user_sub=seal.sub,
        context=asked.context,
        expires_at=expires_at,
        auth_time=signed_in,
        made_at=seal.at,
        launch_url=asked.launch_url,
        session=asked.session,
        web_messaging_origin=asked.web_messaging_origin,
        origin=origin,
        fhir_user=server.relative(asked.user),
    )


def launch_id_of(digest: str) -> str:
    """A name for a launch by which nobody can use it; it never looks like an option to a command line."""
    return sha256(f"launch-id:{digest}".encode()).hexdigest()[:ID_LENGTH]
