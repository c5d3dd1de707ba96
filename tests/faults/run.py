"""Runs every test that cites a fault of security.md 3.4, two at a time, and prints what held (``tally``)."""

from __future__ import annotations

import os
import sys

from tests.run import pytest

SECONDS = "8"  # of each fault


def main() -> int:
    os.environ.setdefault("FAULT_SECONDS", SECONDS)
    return pytest("-p", "tests.faults.tally", "--durations=15")


if __name__ == "__main__":
    sys.exit(main())
