"""How actors reach the server: in this process, or over real HTTP; the actors don't know which."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import urllib3

from tests.overheard import HEARD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

SUPPORT_PAGE = re.compile(r"/support/[0-9A-Z]{8}$")


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; header names are lower case, a repeated header keeps all its values."""

    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = self.headers.get(name.lower())
        return None if values is None else ", ".join(values)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    def refusal(self) -> Any:
        """A JSON error without its ``error_uri``, which leads to the page of a support code, if it has one."""
        body = self.json()
        error_uri = body.pop("error_uri", None)
        assert error_uri is None or SUPPORT_PAGE.search(error_uri), f"{error_uri} is not the page of a support code"
        return body

    @property
    def location(self) -> str:
        location = self.header("location")
        assert location is not None, f"no Location in {self.status}: {self.body[:2000]!r}"
        return location

    @property
    def location_parameters(self) -> dict[str, str]:
        """The query of ``Location``; a repeated parameter is an error of the server."""
        pairs = parse_qsl(urlsplit(self.location).query, keep_blank_values=True, strict_parsing=True)
        assert len(dict(pairs)) == len(pairs), f"repeated parameter in {self.location}"
        return dict(pairs)


class Transport(Protocol):
    issuer: str

    def send(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply: ...


class InProcess:
    """The app itself, called as a WSGI server would call it; no cookie is kept."""

    def __init__(self, app: Flask, issuer: str) -> None:
        self.app = app
        self.issuer = issuer

    def send(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
        parts = urlsplit(url)
        with self.app.test_client(use_cookies=False) as client:
            answer = client.open(
                parts.path,
                method=method,
                base_url=f"{parts.scheme}://{parts.netloc}",
                query_string=parts.query,
                headers=dict(headers or {}),
                data=body,
            )
            return overheard(url, headers, body, Reply(answer.status_code, grouped(answer.headers), answer.data))


class OverHttp:
    """A server that listens on loopback."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.pool = urllib3.PoolManager(maxsize=32, retries=False, timeout=urllib3.Timeout(connect=5, read=30))

    def send(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
        answer = self.pool.request(method, url, headers=dict(headers or {}), body=body, redirect=False)
        return overheard(url, headers, body, Reply(answer.status, grouped(answer.headers), answer.data))


def overheard(url: str, headers: Mapping[str, str] | None, body: bytes, reply: Reply) -> Reply:
    HEARD.exchange(url, headers or {}, body, reply.headers, reply.body)
    return reply


def grouped(headers: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers.items():
        found.setdefault(name.lower(), []).append(value)
    return found
