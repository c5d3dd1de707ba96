"""May this user work with this patient through this app? The hospital's own rules can be plugged in (decision 20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from authz.launch.standing import Standing, standing
from authz.policy.hook import SECONDS, Hook, made_by

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.users.registry import User, Users


@dataclass(frozen=True, slots=True)
class RightsQuestion:
    user: User
    fhir_user: str | None  # relative reference
    fhir_server: str  # name
    patient: str  # logical id
    client: Client
    ehr_vouches: bool = False  # the EHR's word makes a representative in this launch


class UserRights(Protocol):
    """The site's own rules; an exception, or two seconds without an answer, refuses for as long as it lasts."""

    def allows(self, question: RightsQuestion) -> bool: ...


@dataclass(frozen=True, slots=True)
class StatedRights:
    """What this server knows: patients work with themselves, representatives with those they represent.

    Whom staff may see is for the EHR that put the patient into the launch, and for the FHIR server.
    """

    users: Users

    def allows(self, question: RightsQuestion) -> bool:
        return self.standing(question) is not Standing.NOBODY

    def standing(self, question: RightsQuestion) -> Standing:
        def represents() -> bool:
            return question.patient in self.users.represented(question.user.sub, question.fhir_server)

        return standing(question.fhir_user, question.patient, represents, ehr_vouches=question.ehr_vouches)


class HookedRights:
    """Both must say yes: what this server knows, and the hospital's hook."""

    def __init__(self, stated: StatedRights, hook: UserRights, seconds: float = SECONDS) -> None:
        self.stated = stated
        self.hook = Hook("user_rights", hook.allows, seconds)

    def allows(self, question: RightsQuestion) -> bool:
        """Raises NoAnswer: nothing is granted, and nothing that was granted is lost by it."""
        return self.stated.allows(question) and self.hook.answer(question) is True


def user_rights(setting: str, users: Users) -> UserRights:
    """The rights of a server with this setting (``package.module:callable``).

    Raises ConfigurationError if there is no such callable: a hook that is missing must not mean yes.
    """
    stated = StatedRights(users)
    return HookedRights(stated, made_by("user_rights", setting)) if setting else stated
