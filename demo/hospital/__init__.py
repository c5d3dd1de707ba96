"""Lakeside General: a made-up hospital, its people and their records. Every person and every value is invented."""

from demo.hospital.accounts import ACCOUNTS, Account
from demo.hospital.journal import Journal
from demo.hospital.records import hospital_records

__all__ = ["ACCOUNTS", "Account", "Journal", "hospital_records"]
