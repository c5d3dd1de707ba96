"""Who can sign in. The password of each is the user name: this is a demo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """A person who can sign in; ``patients`` are the records of a portal user, empty for staff who see all."""

    name: str
    display: str
    fhir_user: str
    patients: tuple[str, ...] = ()
    is_sandbox: bool = False  # a test account, for apps that are not approved; not in the EHR

    @property
    def is_staff(self) -> bool:
        return self.fhir_user.startswith("Practitioner/")


ACCOUNTS = {
    account.name: account
    for account in (
        Account("clinician", "Dr. Helen Marsh", "Practitioner/prac-1"),
        Account("patient", "Amara Okafor", "Patient/pat-1", ("pat-1",)),
        Account("parent", "Katharina Brandt", "RelatedPerson/rel-1", ("child-1", "child-2")),
    )
}
SANDBOX_PATIENTS = ("test-1", "test-2")
SANDBOX_NOTES = """Sign in as sandbox-patient (Tessa Sandbox, test-1) or as sandbox-clinician (Dr. Toni Sandbox).
The password is the user name. The invented patients are test-1 and test-2."""
SANDBOX_ACCOUNTS = (
    Account("sandbox-clinician", "Dr. Toni Sandbox", "Practitioner/prac-9", is_sandbox=True),
    Account("sandbox-patient", "Tessa Sandbox", "Patient/test-1", ("test-1",), is_sandbox=True),
)
