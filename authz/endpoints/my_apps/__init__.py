"""``/my-apps``: a person's apps, what each may see, and taking it back (SMART ``management_endpoint``)."""

from authz.endpoints.my_apps import sessions
from authz.endpoints.my_apps.views import bp

__all__ = ["bp", "sessions"]
