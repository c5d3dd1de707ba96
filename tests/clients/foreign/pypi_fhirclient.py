"""A confidential app on PyPI fhirclient. One JSON object a line: settings in, address out, callback in, report out."""

from __future__ import annotations

import json
import sys

from fhirclient.client import FHIRClient
from fhirclient.models.observation import Observation

client = FHIRClient(settings=json.loads(sys.stdin.readline()))
client.prepare()
sys.stdout.write(json.dumps({"authorize_url": client.authorize_url}) + "\n")
sys.stdout.flush()

client.handle_callback(json.loads(sys.stdin.readline())["url"])
first = client.server.auth.access_token
patient = client.patient
search = Observation.where(struct={"patient": patient.id, "code": "29463-7"})
weights = search.perform_resources(client.server)
client.reauthorize()
report = {
    "patient": client.patient_id,
    "encounter": client.launch_context["encounter"],
    "scope": client.launch_context["scope"],
    "read": patient.relativePath(),
    "weights_of": sorted({found.subject.reference for found in weights}),
    "new_access_token": client.server.auth.access_token != first,
    "read_after_refresh": type(patient).read(patient.id, client.server).relativePath(),
}
sys.stdout.write(json.dumps(report) + "\n")
