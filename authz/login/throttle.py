"""How often one may try a password or a code (security.md LC-02, LC-03, RL-02, RL-05, RL-06)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from authz.errors import TooManyRequests
from authz.login.known_devices import account
from authz.storage.limiter import Limit, neighbourhood, network

if TYPE_CHECKING:
    from authz.login.known_devices import KnownDevices
    from authz.storage.limiter import Limiter

TOO_MANY = "too many attempts to sign in; wait a few minutes and try again"

# A hospital is often one address: at the start of a shift all of its people sign in, from machines that keep no cookie.
# A success counts too, for a counter must not be resettable.
ACCOUNT = Limit("account", 10, 600)
DEVICE = Limit("device", 10, 600)
DEVICES = Limit("devices", 30, 600)  # all known ones of an account together
ADDRESS = Limit("address", 3, 600)  # for each of the people who share it
# Spraying one password: 600 accounts in ten minutes from an address that 200 people share, 1 200 from a network, 6 000
# (ten a second) from all of them, and none ten times. So one address leaves half of its network's tries to others
# there, and one network four fifths of everybody's to everybody else. A small hospital has as many as one of 200: its
# people may sign in at home. What hashing costs at once is bounded by PARALLEL, not here.
NETWORK = Limit("network", 6, 600)  # for each again: of a /24 or /48
EVERYBODY = Limit("everybody", 30, 600)
LEAST_PEOPLE = 200
# Three of a million codes are good at any time. Fifty may be tried in a day, with known devices and without any: who
# knows the password has one chance in 7 000 a day, whatever marks they hold.
CODES = Limit("codes", 5, 600)
CODES_A_DAY = Limit("codes a day", 30, 86_400)
DEVICES_CODES = Limit("codes of devices", 10, 600)
DEVICES_CODES_A_DAY = Limit("codes of devices a day", 20, 86_400)
# Nobody guesses one of 80 bits.
RECOVERY_CODES = Limit("recovery codes", 10, 600)
DEVICES_RECOVERY_CODES = Limit("recovery codes of devices", 30, 600)


class Throttle:
    """Counts tries to sign in.

    Some are kept for browsers that have signed in to the account before, so that somebody who uses up an account's
    tries does not lock its owner out; one that has used up those is counted like any other. Recovery codes, which
    nobody can guess, are counted apart from the others.
    """

    def __init__(self, limiter: Limiter, devices: KnownDevices, people_per_address: int) -> None:
        self.limiter = limiter
        self.devices = devices
        self.address = ADDRESS.times(people_per_address)
        people = max(people_per_address, LEAST_PEOPLE)
        self.network, self.everybody = NETWORK.times(people), EVERYBODY.times(people)

    def admit(self, name: str, address: str | None, device: str | None) -> None:
        """Count a try and raise TooManyRequests if it is one too many.

        ``device`` is what the browser kept of ``KnownDevices.remember``.
        """
        if self.is_kept_for(name, device, DEVICE, DEVICES):
            return
        self.check(self.address, network(address))
        self.check(self.network, neighbourhood(address))
        self.check(self.everybody, "")
        self.check(ACCOUNT, account(name))

    def admit_code(self, name: str, device: str | None, *, is_recovery: bool) -> None:
        """Count a code after the right password. Raises TooManyRequests."""
        limits = (RECOVERY_CODES,) if is_recovery else (CODES, CODES_A_DAY)
        together = (DEVICES_RECOVERY_CODES,) if is_recovery else (DEVICES_CODES, DEVICES_CODES_A_DAY)
        if self.is_kept_for(name, device, limits[0], *together):
            return
        for limit in limits:
            self.check(limit, account(name))

    def is_kept_for(self, name: str, device: str | None, each: Limit, *together: Limit) -> bool:
        """Count a try of a known device; False if it is none, and if it, or all of the account's, have no more."""
        if device is None or not self.devices.knows(device, name):
            return False
        with suppress(TooManyRequests):
            self.check(each, device)
            for limit in together:
                self.check(limit, account(name))
            return True
        return False

    def check(self, limit: Limit, whose: str) -> None:
        self.limiter.check(limit, whose, TOO_MANY)
