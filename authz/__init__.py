"""SMART on FHIR authorization server."""
