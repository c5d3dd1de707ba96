"""Codes besides the password: of an authenticator app (RFC 6238), and for whoever has lost it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from pyotp import TOTP
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import delete, func, select, update

from authz.login.model import RecoveryCodeRow, SecondFactorRow
from authz.storage.database import changed
from authz.storage.records import digest
from authz.users.sign_ins import end_sign_ins

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.keyring.box import Box
    from authz.storage.database import Database
    from authz.users.user import User

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # base32, RFC 4648 §6
SECRET_CHARACTERS = 32  # 160 bits, RFC 4226 §4 R6
RECOVERY_CODES, RECOVERY_CHARACTERS = 10, 16  # 80 bits each
DRIFT_STEPS = 1  # RFC 6238 §5.2: one step for the way, and for clocks that are not quite right
NO_STEP = -1
SIX_DIGITS = re.compile(r"[0-9]{6}")
RECOVERY_CODE = re.compile(rf"[{ALPHABET}]{{{RECOVERY_CHARACTERS}}}")


class Means(StrEnum):
    """Which kind of code it was."""

    APP = "totp"
    RECOVERY = "recovery_code"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What is shown once, to be kept by its owner."""

    uri: str = field(repr=False)  # otpauth://totp/…
    recovery_codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """Who has one is asked for a code at every sign-in with a password."""

    db: Database
    box: Box
    organization: str  # as the authenticator app shows it
    now: Callable[[], datetime]

    def is_on(self, sub: str) -> bool:
        with self.db.read() as session:
            return session.get(SecondFactorRow, sub) is not None

    def recovery_codes_left(self, sub: str) -> int:
        mine = (RecoveryCodeRow.sub == sub) & RecoveryCodeRow.used_at.is_(None)
        with self.db.read() as session:
            return session.scalar(select(func.count()).select_from(RecoveryCodeRow).where(mine)) or 0

    def enrol(self, session: Session, user: User) -> Enrolment:
        """A new secret and new recovery codes, in the caller's transaction; those of before are good no more.

        Sign-ins without it count no more either.
        """
        self.remove(session, user.sub)
        secret = random_text(SECRET_CHARACTERS)
        codes = tuple(random_text(RECOVERY_CHARACTERS) for _ in range(RECOVERY_CODES))
        now = self.now()
        closed = self.box.close(secret.encode())
        session.add(SecondFactorRow(sub=user.sub, secret=closed, last_step=NO_STEP, enrolled_at=now))
        session.add_all(RecoveryCodeRow(code_digest=of_person(user.sub, code), sub=user.sub) for code in codes)
        session.flush()
        name = user.name or user.sub
        uri = TOTP(secret).provisioning_uri(name=name, issuer_name=self.organization)
        return Enrolment(uri, tuple(map(grouped, codes)))

    def remove(self, session: Session, sub: str) -> bool:
        """Whether there was one; sign-ins of before count no more."""
        session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.sub == sub))
        end_sign_ins(session, sub, self.now())
        return changed(session, delete(SecondFactorRow).where(SecondFactorRow.sub == sub)) == 1

    def accept(self, session: Session, sub: str, typed: str) -> Means | None:
        """Spend a code in the caller's transaction; of two racing callers one succeeds (RFC 6238 §5.2).

        None for one that is wrong, spent, or older than one that was used.
        """
        code = plain(typed)
        if SIX_DIGITS.fullmatch(code):
            return Means.APP if self.spend_step(session, sub, code) else None
        if RECOVERY_CODE.fullmatch(code):
            unused = (RecoveryCodeRow.code_digest == of_person(sub, code)) & RecoveryCodeRow.used_at.is_(None)
            spent = changed(session, update(RecoveryCodeRow).where(unused).values(used_at=self.now()))
            return Means.RECOVERY if spent else None
        return None

    def spend_step(self, session: Session, sub: str, code: str) -> bool:
        row = session.get(SecondFactorRow, sub)
        secret = None if row is None else self.box.open(row.secret)
        if secret is None:  # closed with a key that is gone: they must enrol again
            return False
        try:
            step = TOTP(secret.decode()).verify_and_get_timecode(code, for_time=self.now(), valid_window=DRIFT_STEPS)
        except OTPVerificationError:
            return False
        newer = (SecondFactorRow.sub == sub) & (SecondFactorRow.last_step < step)
        values = {"last_step": step, "secret": self.box.close(secret)}  # with the key of today, so that it outlives it
        return changed(session, update(SecondFactorRow).where(newer).values(values)) == 1


def is_recovery_code(typed: str) -> bool:
    return RECOVERY_CODE.fullmatch(plain(typed)) is not None


def plain(typed: str) -> str:
    """As it is compared: people type codes in groups, and in small letters."""
    return re.sub(r"[\s-]", "", typed[:64]).upper()


def random_text(characters: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(characters))


def grouped(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def of_person(sub: str, code: str) -> str:
    return digest(f"{sub} {code}")
