"""``GET /user-access-brands``: the published bundle, for any app in any browser (SMART UB-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort

from authz.endpoints.current import answer, services
from authz.endpoints.document import tagged

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("brands", __name__)
FHIR_JSON = "application/fhir+json"


@bp.get("/user-access-brands")
def user_access_brands() -> ResponseReturnValue:
    published = services().brands.published()
    if published is None:
        abort(404)
    seconds = services().settings.discovery_max_age_seconds
    bundle = services().documents.brand_bundle(published)
    return answer(lambda request: tagged(bundle, request, seconds, FHIR_JSON, weak=True))
