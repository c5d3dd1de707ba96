from __future__ import annotations

from dataclasses import replace

import pytest

from authz.clients.client import Client
from authz.enforcement.matching import ELEMENTS
from authz.fhir_servers.server import CONSTRAINTS, DEFAULT_CEILINGS, FhirServer
from authz.policy.access import AccessQuestion, decide
from authz.scopes import Reason, ScopeSet

SERVER = FhirServer(
    "main",
    "https://fhir.example/r4",
    scope_ceilings={name: ScopeSet.parse(text) for name, text in DEFAULT_CEILINGS.items()},
)
CLIENT = Client(
    client_id="app",
    client_name="App",
    token_endpoint_auth_method="none",
    application_type="web",
    grant_types=frozenset({"authorization_code", "refresh_token"}),
    redirect_uris=("https://app.example/cb",),
    launch_uris=(),
    allowed_origins=frozenset(),
    scope=ScopeSet.parse(
        "launch launch/patient launch/encounter openid fhirUser profile online_access offline_access"
        " patient/*.cruds user/*.cruds system/*.rs messaging/ui __own launch/imagingstudy launch/foo"
        " launch/list?role=https://example.org/at-home launch/patient?role=https://example.org/mother"
    ),
    jwks=None,
    jwks_uri=None,
    about={},
    fhir_servers=(),
    skip_consent_in_ehr_launch=False,
    any_loopback_port=False,
    enabled=True,
)
DOCTOR = AccessQuestion(CLIENT, SERVER, ScopeSet(), "Practitioner/dr", "A", has_launch=True)
ALONE = replace(DOCTOR, fhir_user="Patient/A", has_launch=False)
NOBODY = replace(DOCTOR, fhir_user=None)
LISTENING = replace(
    DOCTOR,
    fhir_server=replace(SERVER, ehr_origins=("https://ehr.example",)),
    web_messaging_origin="https://ehr.example",
)
UNHEARD = replace(LISTENING, web_messaging_origin=None)
MOVED = replace(LISTENING, web_messaging_origin="https://old.example")
NATIVE = replace(LISTENING, client=replace(CLIENT, application_type="native"))
SILENT = replace(LISTENING, fhir_server=replace(LISTENING.fhir_server, without=frozenset({"web-messaging"})))
CLOSED = replace(LISTENING, fhir_server=replace(LISTENING.fhir_server, without=frozenset({"ehr-launch"})))
NO_PATIENT = replace(DOCTOR, patient=None)
BY_DATE = replace(DOCTOR, fhir_server=replace(SERVER, constraints=frozenset({"date"})))
STUDIES = replace(DOCTOR, context_types=frozenset({"ImagingStudy", "List", "Patient"}))
AT_HOME, MOTHER = "launch/list?role=https://example.org/at-home", "launch/patient?role=https://example.org/mother"


def verdicts(question: AccessQuestion, scope: str) -> dict[str, tuple[str, Reason | None]]:
    """For each requested scope: what of it is granted, and why not all."""
    judgement = decide(replace(question, requested=ScopeSet.parse(scope)))
    assert str(judgement.granted) == " ".join(text for verdict in judgement.verdicts for text in verdict.granted)
    return {verdict.requested: (" ".join(verdict.granted), verdict.reason) for verdict in judgement.verdicts}


CASES: dict[str, tuple[AccessQuestion, str, str, Reason | None]] = {
    "a clinician in an EHR launch": (DOCTOR, "patient/Observation.cruds", "patient/Observation.cruds", None),
    "a clinician at user level": (DOCTOR, "user/Observation.rs", "user/Observation.rs", None),
    "extension, registered": (DOCTOR, "__own", "__own", None),
    "extension, not registered": (DOCTOR, "__other", "", Reason.NOT_REGISTERED),
    "PROC-06 type": (DOCTOR, "patient/Nonsense.rs", "", Reason.UNSUPPORTED),
    "AZ-51 system": (DOCTOR, "system/*.rs", "", Reason.LEVEL_NOT_ALLOWED),
    "messages": (LISTENING, "messaging/ui", "messaging/ui", None),
    "messages, one of a group": (LISTENING, "messaging/ui.done", "messaging/ui.done", None),
    "messages, not registered": (LISTENING, "messaging/fhir", "", Reason.NOT_REGISTERED),
    "messages, a handshake": (LISTENING, "messaging/status.handshake", "", Reason.UNSUPPORTED),
    "messages, no such group": (LISTENING, "messaging/foo", "", Reason.UNSUPPORTED),
    "messages, the EHR named no window": (UNHEARD, "messaging/ui", "", Reason.NO_EHR_WINDOW),
    "messages, the window is another site's by now": (MOVED, "messaging/ui", "", Reason.NO_EHR_WINDOW),
    "messages, no EHR": (replace(UNHEARD, has_launch=False), "messaging/ui", "", Reason.NO_EHR_WINDOW),
    "messages, native": (NATIVE, "messaging/ui", "", Reason.UNSUPPORTED),
    "messages, switched off": (SILENT, "messaging/ui", "", Reason.UNSUPPORTED),
    "messages, no EHR launch there": (CLOSED, "messaging/ui", "", Reason.UNSUPPORTED),
    "SCP-22 launch type": (STUDIES, "launch/imagingstudy", "launch/imagingstudy", None),
    "SCP-22 nothing of the type": (DOCTOR, "launch/imagingstudy", "", Reason.NO_SUCH_CONTEXT),
    "SCP-22 not registered": (STUDIES, "launch/list", "", Reason.NOT_REGISTERED),
    "SCP-23 role": (STUDIES, AT_HOME, AT_HOME, None),
    "SCP-23 role, nothing of the type": (DOCTOR, AT_HOME, "", Reason.NO_SUCH_CONTEXT),
    "S62 another patient": (STUDIES, MOTHER, MOTHER, None),
    "S62 no other patient": (DOCTOR, MOTHER, "", Reason.NO_SUCH_CONTEXT),
    "SCP-25 no such type": (STUDIES, "launch/foo", "", Reason.UNSUPPORTED),
    "launch type without a launch": (ALONE, "launch/imagingstudy", "", Reason.NO_LAUNCH),
    "SCP-20 launch": (DOCTOR, "launch", "launch", None),
    "AUTHZ-13 launch without a launch": (ALONE, "launch", "", Reason.NO_LAUNCH),
    "no visit was chosen": (ALONE, "launch/encounter", "", Reason.NO_SUCH_CONTEXT),
    "SCP-21 encounter": (replace(ALONE, encounter="E"), "launch/encounter", "launch/encounter", None),
    "CTX-11 a hint": (DOCTOR, "launch/encounter", "launch/encounter", None),
    "SCP-21 patient": (ALONE, "launch/patient", "launch/patient", None),
    "decision 16 patient reads": (ALONE, "patient/*.rs", "patient/*.rs", None),
    "decision 16 patient writes": (ALONE, "patient/Observation.cruds", "patient/Observation.rs", Reason.USER_RIGHTS),
    "decision 16 patient at user level": (ALONE, "user/*.rs", "", Reason.USER_RIGHTS),
    "no FHIR resource, no rights": (NOBODY, "patient/*.rs", "", Reason.USER_RIGHTS),
    "CTX-10": (NO_PATIENT, "patient/*.rs", "", Reason.NO_PATIENT_CONTEXT),
    "PROC-06 enforced": (DOCTOR, "patient/Observation.rs?category=a", "patient/Observation.rs?category=a", None),
    "PROC-06 by nobody enforced": (DOCTOR, "patient/Observation.rs?date=gt2020", "", Reason.UNSUPPORTED),
    "PROC-06 one of two": (DOCTOR, "patient/Observation.rs?category=a&date=gt2020", "", Reason.UNSUPPORTED),
    "PROC-06 by this server": (
        BY_DATE,
        "patient/Observation.rs?date=gt2020",
        "patient/Observation.rs?date=gt2020",
        None,
    ),
    "user level needs no patient": (NO_PATIENT, "user/*.rs", "user/*.rs", None),
    "offline": (ALONE, "offline_access", "offline_access", None),
    "online": (DOCTOR, "online_access", "online_access", None),
}


@pytest.mark.parametrize(("question", "scope", "granted", "reason"), CASES.values(), ids=CASES.keys())
def test_each_scope_is_judged_with_a_reason(
    question: AccessQuestion, scope: str, granted: str, reason: Reason | None
) -> None:
    """Decisions 16 and 20, SMART 12.2 and 12.4 PROC-07; REQ-85, REQ-110, REQ-115, REQ-135; SCP-01."""
    assert verdicts(question, scope) == {scope: (granted, reason)}


def test_never_more_than_registered_nor_than_requested() -> None:
    """security.md AZ-50; REQ-40, REQ-D12."""
    client = replace(CLIENT, scope=ScopeSet.parse("patient/Observation.rs"))
    asked = replace(DOCTOR, client=client)
    assert verdicts(asked, "patient/*.cruds") == {"patient/*.cruds": ("patient/Observation.rs", Reason.NOT_REGISTERED)}
    assert verdicts(DOCTOR, "patient/Observation.r") == {"patient/Observation.r": ("patient/Observation.r", None)}


def test_fhir_user_needs_openid_and_somebody_who_is_a_resource() -> None:
    """SMART SCP-30, OID-03, REQ-90, REQ-60."""
    both = {"openid": ("openid", None), "fhirUser": ("fhirUser", None)}
    assert verdicts(DOCTOR, "openid fhirUser") == both
    assert verdicts(DOCTOR, "fhirUser") == {"fhirUser": ("", Reason.UNSUPPORTED)}
    assert verdicts(NOBODY, "openid fhirUser") == {**both, "fhirUser": ("", Reason.UNSUPPORTED)}
    no_openid = replace(DOCTOR, client=replace(CLIENT, scope=ScopeSet.parse("fhirUser")))
    assert verdicts(no_openid, "openid fhirUser") == {
        "openid": ("", Reason.NOT_REGISTERED),
        "fhirUser": ("", Reason.UNSUPPORTED),
    }


def test_one_refresh_scope_is_granted_the_longer_one_if_it_may_be() -> None:
    """SMART SCP-34, security.md AZ-57; AMB-13, SCP-33."""
    asked = "offline_access online_access"
    assert verdicts(DOCTOR, asked) == {
        "offline_access": ("offline_access", None),
        "online_access": ("", Reason.SUPERSEDED),
    }
    refused = replace(DOCTOR, agreed=ScopeSet.parse("online_access"))
    assert verdicts(refused, asked) == {
        "offline_access": ("", Reason.UNTICKED),
        "online_access": ("online_access", None),
    }


def test_nothing_is_said_twice_in_further_constraints() -> None:
    """N07, SCP-11: a category that was asked for by itself and unticked does not come back as "both categories"."""
    refused = replace(DOCTOR, agreed=ScopeSet.parse("patient/Observation.rs?category=b"))
    assert verdicts(refused, "patient/Observation.rs patient/Observation.rs?category=a") == {
        "patient/Observation.rs": ("patient/Observation.rs?category=b", Reason.UNTICKED),
        "patient/Observation.rs?category=a": ("", Reason.UNTICKED),
    }


def test_what_the_rights_narrowed_and_the_person_unticked_was_unticked() -> None:
    """Digest Q-11: also where nothing remains because another category says it."""
    asked = replace(ALONE, agreed=ScopeSet.parse("patient/Condition.s?category=a"))
    assert verdicts(asked, "patient/Condition.s?category=a patient/Condition.cs?category=b") == {
        "patient/Condition.s?category=a": ("patient/Condition.s?category=a", None),
        "patient/Condition.cs?category=b": ("", Reason.UNTICKED),
    }


def test_what_the_rights_took_was_not_unticked() -> None:
    """Digest Q-11: the person agreed to all that was offered; another scope says what the rights left of this one."""
    server = replace(SERVER, scope_ceilings={"Patient": ScopeSet.parse("patient/Observation.r?category=b")})
    asked = replace(ALONE, fhir_server=server)
    requested = "patient/Observation.read patient/Observation.r?category=a"
    offered = verdicts(asked, requested)
    assert offered == {
        "patient/Observation.read": ("patient/Observation.r?category=b", Reason.USER_RIGHTS),
        "patient/Observation.r?category=a": ("", Reason.USER_RIGHTS),
    }
    agreed = replace(asked, agreed=ScopeSet.parse("patient/Observation.r?category=b"))
    assert verdicts(agreed, requested) == offered


def test_an_app_that_can_not_refresh_gets_no_refresh_scope() -> None:
    """N19, REF-01, REQ-79."""
    client = replace(CLIENT, grant_types=frozenset({"authorization_code"}))
    assert verdicts(replace(DOCTOR, client=client), "offline_access") == {"offline_access": ("", Reason.NOT_REGISTERED)}


def test_what_the_person_unticked_is_not_granted() -> None:
    """LC-10, REQ-122; the rest is."""
    refused = replace(ALONE, agreed=ScopeSet.parse("patient/Observation.rs"))
    assert verdicts(refused, "patient/Condition.rs patient/Observation.rs") == {
        "patient/Condition.rs": ("", Reason.UNTICKED),
        "patient/Observation.rs": ("patient/Observation.rs", None),
    }


def test_a_limit_nobody_enforces_is_not_made_by_the_registration_either() -> None:
    """PROC-06: what is left of a bare request would be limited by a parameter that is ignored; so nothing is left."""
    client = replace(CLIENT, scope=ScopeSet.parse("patient/Observation.rs?date=gt2020"))
    asked = replace(DOCTOR, client=client)
    assert verdicts(asked, "patient/Observation.rs") == {"patient/Observation.rs": ("", Reason.UNSUPPORTED)}


def test_a_scope_may_be_limited_by_what_the_proxy_can_decide_about() -> None:
    """PROC-06: no more by default, and no less."""
    assert frozenset(ELEMENTS) == CONSTRAINTS
