"""The demo's EHR: sign in, choose a patient, open an app for this patient."""

from demo.ehr.app import create_ehr

__all__ = ["create_ehr"]
