"""Records that staff open only with a reason, for a short time, on the trail: breaking the glass (REQ-87)."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from authz.launch.standing import STAFF
from authz.policy.rights import HOOK_SECONDS
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer
    from authz.scopes import ScopeSet
    from authz.users.registry import User

log = logging.getLogger(__name__)
PURPOSES = {  # HL7 v3 PurposeOfUse
    "ETREAT": "Emergency treatment",
    "BTG": "Another pressing reason",
}


@dataclass(frozen=True, slots=True)
class SensitivityQuestion:
    user: User
    fhir_user: str | None  # relative reference
    fhir_server: FhirServer
    patient: str | None  # logical id
    client: Client
    scope: ScopeSet  # what would be granted


class Sensitivity(Protocol):
    """The site's own rules; an exception, or two seconds without an answer, counts as a yes: a reason is asked for."""

    def is_sensitive(self, question: SensitivityQuestion) -> bool: ...


@dataclass(frozen=True, slots=True)
class StatedSensitivity:
    """The patients and the data that a FHIR server's settings name."""

    def is_sensitive(self, question: SensitivityQuestion) -> bool:
        """An app that asks for everything asks for these data as well; so does one that could get some of them."""
        server = question.fhir_server
        if question.patient in server.sensitive_patients:
            return True
        return any(scope.narrow(server.sensitive_scopes.scopes) for scope in question.scope.resources)


class HookedSensitivity:
    """Either may say yes: the settings, or the hospital's hook."""

    def __init__(self, hook: Sensitivity, seconds: float = HOOK_SECONDS) -> None:
        self.stated = StatedSensitivity()
        self.hook = hook
        self.seconds = seconds
        self.workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sensitivity")

    def is_sensitive(self, question: SensitivityQuestion) -> bool:
        if self.stated.is_sensitive(question):
            return True
        asked = self.workers.submit(self.hook.is_sensitive, question)
        try:
            return asked.result(self.seconds) is not False
        except TooSlow:
            asked.cancel()
            log.error("the sensitivity hook did not answer in time; a reason is asked for")  # noqa: TRY400  no stack
        except Exception:  # whatever the site's code raises, the careful answer is yes
            log.exception("the sensitivity hook failed; a reason is asked for")
        return True


def needs_reason(sensitivity: Sensitivity, question: SensitivityQuestion) -> bool:
    """Whether staff have to say why (REQ-87); patients and who acts for them are not asked about their own."""
    is_staff = (question.fhir_user or "").partition("/")[0] in STAFF
    return is_staff and sensitivity.is_sensitive(question)


def sensitivity(setting: str) -> Sensitivity:
    """That of a server with this setting (``package.module:callable``). Raises ConfigurationError if there is none."""
    if not setting:
        return StatedSensitivity()
    module, _, name = setting.partition(":")
    try:
        make: Callable[[], Sensitivity] = getattr(import_module(module), name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError([f"sensitivity: {setting} can't be loaded: {error}"]) from error
    return HookedSensitivity(make())
