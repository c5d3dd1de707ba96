"""A small FHIR R4 server that enforces SMART: it asks the authorization server about the token of every request."""

from demo.fhir_server.app import create_fhir_server

__all__ = ["create_fhir_server"]
