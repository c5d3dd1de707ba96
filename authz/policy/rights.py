"""May this user work with this patient through this app? The hospital's own rules can be plugged in (decision 20)."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from authz.launch.standing import Standing, standing
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.clients.registry import Client
    from authz.users.registry import User, Users

log = logging.getLogger(__name__)
HOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RightsQuestion:
    user: User
    fhir_user: str | None  # relative reference
    fhir_server: str  # name
    patient: str  # logical id
    client: Client
    ehr_vouches: bool = False  # the EHR's word makes a representative in this launch


class UserRights(Protocol):
    """The site's own rules; an exception, or two seconds without an answer, is a no."""

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
    """Both must say yes: what this server knows, and the hospital's hook, which gets two seconds."""

    def __init__(self, stated: StatedRights, hook: UserRights, seconds: float = HOOK_SECONDS) -> None:
        self.stated = stated
        self.hook = hook
        self.seconds = seconds
        self.workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="user-rights")

    def allows(self, question: RightsQuestion) -> bool:
        if not self.stated.allows(question):
            return False
        asked = self.workers.submit(self.hook.allows, question)
        try:
            return asked.result(self.seconds) is True
        except TooSlow:
            asked.cancel()
            log.error("the user rights hook did not answer in time; refused")  # noqa: TRY400  the stack tells nothing
        except Exception:  # whatever the site's code raises, the answer is no
            log.exception("the user rights hook failed; refused")
        return False


def user_rights(setting: str, users: Users) -> UserRights:
    """The rights of a server with this setting (``package.module:callable``).

    Raises ConfigurationError if there is no such callable: a hook that is missing must not mean yes.
    """
    stated = StatedRights(users)
    if not setting:
        return stated
    module, _, name = setting.partition(":")
    try:
        make: Callable[[], UserRights] = getattr(import_module(module), name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError([f"user_rights: {setting} can't be loaded: {error}"]) from error
    return HookedRights(stated, make())
