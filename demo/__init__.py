"""A demo hospital around the authorization server: an EHR, a FHIR server and two SMART apps, each its own origin."""
