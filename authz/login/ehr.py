"""Sign-in by the launch itself: the EHR says who its user is, and no page is shown (decisions 14, 19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.errors import AccessDenied
from authz.login.method import EHR, SignIn

if TYPE_CHECKING:
    from authz.launch.launch import Launch
    from authz.users.registry import Users


def vouched(users: Users, launch: Launch) -> SignIn:
    """The launch's user, at the time when they signed in at the EHR.

    Raises AccessDenied if they may no longer sign in here.
    """
    user = users.by_sub(launch.user_sub)
    if user is None or not user.enabled:
        raise AccessDenied("the user of this launch may not sign in here")
    return SignIn(user.sub, launch.auth_time, (EHR,))
