"""Records that staff open only with a reason, for a short time, on the trail: breaking the glass (REQ-87)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from authz.launch.standing import STAFF
from authz.policy.hook import SECONDS, Hook, made_by
from authz.scopes.resource import LETTERS
from authz.wording import mark

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer
    from authz.scopes import ScopeSet
    from authz.users.registry import User

PURPOSES = {  # HL7 v3 PurposeOfUse
    "ETREAT": mark("Emergency treatment"),
    "BTG": mark("Another pressing reason"),
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
    """The site's own rules; an exception, or two seconds without an answer, opens nothing without a reason."""

    def is_sensitive(self, question: SensitivityQuestion) -> bool: ...


@dataclass(frozen=True, slots=True)
class StatedSensitivity:
    """The patients and the data that a FHIR server's settings name."""

    def is_sensitive(self, question: SensitivityQuestion) -> bool:
        """An app that asks for everything asks for these data as well; so does one that could get some of them.

        Or could only write them: a scope of the settings names data, whatever is done with them.
        """
        server = question.fhir_server
        if question.patient in server.sensitive_patients:
            return True
        asked = (replace(scope, interactions=frozenset(LETTERS), text="") for scope in question.scope.resources)
        return any(scope.narrow(server.sensitive_scopes.scopes) for scope in asked)


class HookedSensitivity:
    """Either may say yes: the settings, or the hospital's hook."""

    def __init__(self, hook: Sensitivity, seconds: float = SECONDS) -> None:
        self.stated = StatedSensitivity()
        self.hook = Hook("sensitivity", hook.is_sensitive, seconds)

    def is_sensitive(self, question: SensitivityQuestion) -> bool:
        """Raises NoAnswer."""
        return self.stated.is_sensitive(question) or self.hook.answer(question) is not False


def needs_reason(sensitivity: Sensitivity, question: SensitivityQuestion) -> bool:
    """Whether staff have to say why (REQ-87); patients and who acts for them are not asked about their own.

    Raises NoAnswer.
    """
    is_staff = (question.fhir_user or "").partition("/")[0] in STAFF
    return is_staff and sensitivity.is_sensitive(question)


def sensitivity(setting: str) -> Sensitivity:
    """That of a server with this setting (``package.module:callable``). Raises ConfigurationError if there is none."""
    return HookedSensitivity(made_by("sensitivity", setting)) if setting else StatedSensitivity()
