"""What kind of app is it? Five answers, each with the scopes, ways to sign in and people that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.fhir_servers.features import Feature

if TYPE_CHECKING:
    from authz.fhir_servers.registry import FhirServer

SECRET, KEY, NONE = "client_secret_basic", "private_key_jwt", "none"
PATIENTS = ("Patient", "RelatedPerson")
CLINICIANS = ("Practitioner", "PractitionerRole")
IDENTITY = ("openid", "fhirUser")


@dataclass(frozen=True, slots=True)
class KindOfApp:
    """``levels`` are those its scopes of records may have, the sensible one first; so are ``auth_methods``."""

    id: str
    title: str
    about: str
    needs: Feature  # what the FHIR server must offer
    levels: tuple[str, ...]
    always: tuple[str, ...]  # scopes that go with it, whatever it reads
    user_types: tuple[str, ...]
    auth_methods: tuple[str, ...]
    application_type: str = "web"
    is_launched: bool = False  # by the EHR

    @property
    def has_people(self) -> bool:
        """Whether somebody sits before it."""
        return bool(self.user_types)

    def levels_at(self, server: FhirServer) -> tuple[str, ...]:
        """Without the EHR a clinician has one patient only where they may choose one."""
        must_choose = not self.is_launched and self.user_types == CLINICIANS
        return ("user",) if must_choose and not server.staff_picker else self.levels


KINDS = {
    kind.id: kind
    for kind in (
        KindOfApp(
            "patient-web",
            "An app for patients, on the web",
            "People open it in a browser and sign in here, to share their records or those of a child.",
            Feature.STANDALONE,
            ("patient",),
            ("launch/patient", *IDENTITY),
            PATIENTS,
            (SECRET, NONE, KEY),
        ),
        KindOfApp(
            "patient-phone",
            "An app for patients, on a phone",
            "People install it, open it and sign in here. It can keep no secret, and needs none.",
            Feature.STANDALONE,
            ("patient",),
            ("launch/patient", *IDENTITY),
            PATIENTS,
            (NONE,),
            application_type="native",
        ),
        KindOfApp(
            "clinician-ehr",
            "An app that clinicians open from the EHR",
            "It opens beside the chart, and knows the user and the patient without anybody signing in again.",
            Feature.EHR_LAUNCH,
            ("patient", "user"),
            ("launch", *IDENTITY),
            CLINICIANS,
            (SECRET, NONE, KEY),
            is_launched=True,
        ),
        KindOfApp(
            "clinician-alone",
            "An app that clinicians open by itself",
            "Clinicians open it outside the EHR and sign in here.",
            Feature.STANDALONE,
            ("patient", "user"),
            IDENTITY,
            CLINICIANS,
            (SECRET, NONE, KEY),
        ),
        KindOfApp(
            "backend",
            "A service without people",
            "A program that runs by itself, such as a nightly export. It signs with a key.",
            Feature.BACKEND_SERVICES,
            ("system",),
            (),
            (),
            (KEY,),
        ),
    )
}


def offered(server: FhirServer) -> list[KindOfApp]:
    """The kinds there is a way in for."""
    return [kind for kind in KINDS.values() if server.offers(kind.needs)]
