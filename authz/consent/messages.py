"""What an app may ask the EHR's window for, in a person's words (SMART Web Messaging "Scopes")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.consent.catalogue import Kind
from authz.wording import mark

if TYPE_CHECKING:
    from authz.scopes import MessagingScope

UI = mark("It can leave the screen or open another one in the EHR for you. It can't press anything there.")
DRAFTS = mark(
    "Drafts are orders and other things that you prepared in the EHR and did not sign. Nothing is signed for you."
)
FHIR = mark(
    "The app's own server need not reach the health records: the EHR hands on what the app asks for, and no more than"
    " this list allows."
)
SHORT = mark("In the EHR's window, while your session lasts")
MESSAGES: dict[str, tuple[str, str]] = {  # title as in the middle of a sentence, and what it means
    "ui": (mark("close itself or move you to another screen in the EHR"), UI),
    "ui.done": (mark("close itself"), UI),
    "ui.launchActivity": (mark("move you to another screen in the EHR"), UI),
    "scratchpad": (mark("read and change unsigned drafts in your current session"), DRAFTS),
    "scratchpad.create": (mark("add unsigned drafts in your current session"), DRAFTS),
    "scratchpad.read": (mark("read unsigned drafts in your current session"), DRAFTS),
    "scratchpad.update": (mark("change unsigned drafts in your current session"), DRAFTS),
    "scratchpad.delete": (mark("remove unsigned drafts in your current session"), DRAFTS),
    "fhir": (mark("read and write records through your EHR window, within the access listed above"), FHIR),
    "fhir.http": (mark("read and write records through your EHR window, within the access listed above"), FHIR),
}


def kind_of(scope: MessagingScope) -> Kind:
    """Only what can be granted has words; ``status`` never is."""
    text = scope.normal_form.removeprefix("messaging/")
    title, long = MESSAGES[text]
    return Kind(text, title, SHORT, long, scope=str(scope))
