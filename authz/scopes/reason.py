"""Why a scope is not granted as it was asked for."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A code for programs; the sentence for people stands beside it in the verdict."""

    MALFORMED = "malformed"  # the spelling breaks the grammar
    UNSUPPORTED = "unsupported"  # understood or not, this server has nothing of the kind
    EXPERIMENTAL = "experimental"  # search modifiers, chaining, _filter, _has
    RESULT_PARAMETER = "result_parameter"  # _count, _include: shapes an answer, limits no access
    LEVEL_NOT_ALLOWED = "level_not_allowed"  # such as system/ where a user is present
    NOT_REGISTERED = "not_registered"  # the client's registration does not include it
    NOT_APPROVED = "not_approved"  # of an app that only test accounts may use so far
    USER_RIGHTS = "user_rights"  # the user cannot delegate what the user may not do
    NO_LAUNCH = "no_launch"
    NO_PATIENT_CONTEXT = "no_patient_context"
    NO_EHR_WINDOW = "no_ehr_window"  # messaging/, and the launch named no origin of a window
    NO_SUCH_CONTEXT = "no_such_context"  # launch/<type>, and the launch has nothing of the type
    POLICY = "policy"
    UNTICKED = "unticked"  # the person did not agree to it
    SUPERSEDED = "superseded"  # another granted scope stands for it
