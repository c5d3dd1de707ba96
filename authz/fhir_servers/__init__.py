"""The FHIR servers this server protects, and the EHRs that launch apps at them."""
