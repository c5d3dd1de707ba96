"""How often one may try a password or a code (security.md LC-02, LC-03, RL-02, RL-05, RL-06)."""

from __future__ import annotations

import secrets as random
from typing import TYPE_CHECKING

from authz.storage.limiter import Limit, network
from authz.users.user import login_name

if TYPE_CHECKING:
    from authz.keyring.secrets import Secrets
    from authz.storage.limiter import Limiter

KNOWN_DEVICE = "known device"  # purpose of the key
TOO_MANY = "too many attempts to sign in; wait a few minutes and try again"

# A hospital is often one address: at the start of a shift all of its people sign in, from machines that keep no cookie.
# A success counts too, for a counter must not be resettable.
ACCOUNT = Limit("account", 10, 600)
DEVICE = Limit("device", 10, 600)
ADDRESS = Limit("address", 3, 600)  # for each of the people who share it
EVERYBODY = Limit("everybody", 600, 60)
# Three of a million codes are good at any time: who knows the password has one chance in 7 000 a day.
CODES = Limit("codes", 5, 600)
CODES_A_DAY = Limit("codes a day", 50, 86_400)
RECOVERY_CODES = Limit("recovery codes", 10, 600)


class Throttle:
    """Counts tries to sign in.

    A browser that has signed in to the account before is counted by itself, so that somebody who uses up an account's
    tries does not lock its owner out; and recovery codes, which nobody can guess, are counted apart from the others.
    """

    def __init__(self, limiter: Limiter, secrets: Secrets, people_per_address: int) -> None:
        self.limiter = limiter
        self.secrets = secrets
        self.address = ADDRESS.times(people_per_address)

    def admit(self, name: str, address: str | None, device: str | None) -> None:
        """Count a try and raise TooManyRequests if it is one too many.

        ``device`` is what the browser sent of ``device_mark``.
        """
        if device is not None and self.knows(device, name):
            self.check(DEVICE, device)
            return
        self.check(self.address, network(address))
        self.check(EVERYBODY, "")
        self.check(ACCOUNT, account(name))

    def admit_code(self, name: str, device: str | None, *, is_recovery: bool) -> None:
        """Count a code after the right password. Raises TooManyRequests."""
        whose = device if device is not None and self.knows(device, name) else account(name)
        for limit in (RECOVERY_CODES,) if is_recovery else (CODES, CODES_A_DAY):
            self.check(limit, whose)

    def check(self, limit: Limit, whose: str) -> None:
        self.limiter.check(limit, whose, TOO_MANY)

    def device_mark(self, name: str) -> str:
        """What a browser keeps to be known for this account again; it signs nobody in."""
        nonce = random.token_urlsafe(16)
        return f"{nonce}.{self.secrets.mac(KNOWN_DEVICE, f'{nonce} {account(name)}')}"

    def knows(self, device: str, name: str) -> bool:
        nonce, _, mac = device.partition(".")
        return self.secrets.matches(KNOWN_DEVICE, f"{nonce} {account(name)}", mac)


def account(name: str) -> str:
    """One counter for all spellings of a login name, also for one that nobody can have."""
    return login_name(name) or name
