"""People, and which FHIR resource each of them is."""
