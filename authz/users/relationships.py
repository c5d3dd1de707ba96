"""What somebody is to a patient, in words. Kept as it was said, in English where FHIR says it by a code alone."""

from __future__ import annotations

from authz.wording import gettext, mark

ROLE_CODES = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
CONTACT_CODES = "http://terminology.hl7.org/CodeSystem/v2-0131"
BY_CODE = {
    (ROLE_CODES, "PRN"): mark("parent"),
    (ROLE_CODES, "MTH"): mark("mother"),
    (ROLE_CODES, "FTH"): mark("father"),
    (ROLE_CODES, "STPPRN"): mark("stepparent"),
    (ROLE_CODES, "ADOPTP"): mark("adoptive parent"),
    (ROLE_CODES, "PRNFOST"): mark("foster parent"),
    (ROLE_CODES, "GRPRN"): mark("grandparent"),
    (ROLE_CODES, "GRMTH"): mark("grandmother"),
    (ROLE_CODES, "GRFTH"): mark("grandfather"),
    (ROLE_CODES, "CHILD"): mark("child"),
    (ROLE_CODES, "SONC"): mark("son"),
    (ROLE_CODES, "DAUC"): mark("daughter"),
    (ROLE_CODES, "SPS"): mark("spouse"),
    (ROLE_CODES, "HUSB"): mark("husband"),
    (ROLE_CODES, "WIFE"): mark("wife"),
    (ROLE_CODES, "DOMPART"): mark("domestic partner"),
    (ROLE_CODES, "SIB"): mark("sibling"),
    (ROLE_CODES, "BRO"): mark("brother"),
    (ROLE_CODES, "SIS"): mark("sister"),
    (ROLE_CODES, "GUARD"): mark("guardian"),
    (ROLE_CODES, "POWATT"): mark("power of attorney"),
    (ROLE_CODES, "HPOWATT"): mark("healthcare power of attorney"),
    (ROLE_CODES, "FRND"): mark("friend"),
    (CONTACT_CODES, "N"): mark("next of kin"),
}
UNSAID = mark("representative")
KNOWN = frozenset({*BY_CODE.values(), UNSAID, mark("caregiver"), mark("legal guardian"), mark("partner")})


def in_words(relationship: str) -> str:
    """For the person who reads it; what a site has written in words of its own stays."""
    words = relationship.strip().casefold()
    return gettext(words) if words in KNOWN else relationship
