"""What strangers send to ``deploy/nginx/example.conf`` keeps nobody out, and fills no disk."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.example_nginx import AUTH, FHIR, LARGE, configuration, example_nginx
from tests.fhir_proxy import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from ssl import SSLSocket

    from tests.example_nginx import Example

pytestmark = pytest.mark.nginx

MEGABYTE = 1024 * 1024
MOST_OF_AN_ADDRESS = 256  # limit_conn
MOST_AT_THE_FHIR_SERVER, MOST_OF_A_TOKEN = 96, 32
HALF = b"GET / HTTP/1.1\r\nHost: HOST\r\nX: "
RECORD = b"POST /r4/Patient HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n%b\r\n"
SLOW_FORM = b"POST /token HTTP/1.1\r\nHost: HOST\r\nContent-Length: 10\r\n\r\na"
JUNK = b"Authorization: Bearer junk\r\n"


@pytest.fixture(name="nginx")
def running_nginx(tmp_path: Path) -> Iterator[Example]:
    with example_nginx(tmp_path) as made:
        yield made


def said(connection: SSLSocket) -> tuple[int, dict[str, str], bytes]:
    """The next answer: its status, headers and body."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        lines = iter(stream.readline, b"\r\n")
        headers = dict(line.decode().strip().split(": ", 1) for line in lines)
        return status, headers, stream.read(int(headers["Content-Length"]))


def begin_record(nginx: Example, more: bytes, size: int, sent: int, source: str = "127.0.0.1") -> SSLSocket:
    connection = nginx.hold(FHIR, RECORD % (size, more), source)
    connection.sendall(b"a" * sent)
    return connection


def test_the_whole_example_is_a_configuration_that_nginx_takes(tmp_path: Path) -> None:
    """``deploy/nginx/example.conf``, with the paths of this test."""
    words = [*command(tmp_path, configuration(tmp_path, 443, 9000, 8080)), "-t"]
    checked = subprocess.run(words, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_half_requests_keep_nobody_out_and_end_after_ten_seconds(nginx: Example) -> None:
    """security.md HP-14, R-22: 600 of them from one address, and both public names answer at once."""
    begun = time.monotonic()
    halves = [nginx.hold(host, HALF) for host in (AUTH, FHIR) for _ in range(300)]
    assert [nginx.ask(AUTH, "/jwks"), nginx.ask(FHIR, "/r4/metadata")] == [200, 200]
    assert {connection.recv(1) for connection in halves} == {b""}
    assert time.monotonic() - begun < 20


def test_a_body_without_a_token_is_refused_before_it_is_read(nginx: Example) -> None:
    """security.md HP-14, RL-07; RFC 6750 §3: no more is asked for, and nothing of it is kept."""
    held = [begin_record(nginx, b"", MEGABYTE, MEGABYTE - 100) for _ in range(20)]
    answers = [said(connection) for connection in held]
    assert nginx.on_disk("client_body") == 0
    for status, headers, body in answers:
        assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="authz"')
        assert (headers["Access-Control-Allow-Origin"], headers["Cache-Control"]) == ("*", "no-store")
        issue = {"severity": "error", "code": "login", "diagnostics": "an access token is needed"}
        assert json.loads(body) == {"resourceType": "OperationOutcome", "issue": [issue]}


@pytest.mark.parametrize("sent", [b"Content-Length: 1048577\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n100001\r\na"])
def test_a_record_of_more_than_a_megabyte_is_not_kept(nginx: Example, sent: bytes) -> None:
    """security.md RL-07: whatever stands where a token would; an app is told in FHIR's own form."""
    head = b"POST /r4/Patient HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer junk\r\n"
    status, headers, body = said(nginx.hold(FHIR, head + sent))
    assert (status, headers["Access-Control-Allow-Origin"]) == (413, "*")
    issue = {"severity": "error", "code": "too-long", "diagnostics": "the body is larger than this server takes"}
    assert json.loads(body) == {"resourceType": "OperationOutcome", "issue": [issue]}
    assert nginx.on_disk("client_body") == 0


def test_a_slow_body_with_a_made_up_token_ends_after_ten_seconds(nginx: Example) -> None:
    """security.md HP-14: until then it holds less than the megabyte that it said it would be."""
    begun = time.monotonic()
    connection = begin_record(nginx, JUNK, MEGABYTE, MEGABYTE - 100)
    assert connection.recv(1) == b""
    assert 5 < time.monotonic() - begun < 15
    assert nginx.on_disk("client_body") == 0


@pytest.mark.parametrize(
    ("host", "path", "size"), [(FHIR, "/r4/metadata", 2), (AUTH, "/token", 256 * 1024 + 1)], ids=["document", "form"]
)
def test_what_takes_no_such_body_reads_none(nginx: Example, host: str, path: str, size: int) -> None:
    """security.md RL-07: documents have no body, and nothing of this server takes more than 256 KB."""
    head = f"POST {path} HTTP/1.1\r\nHost: HOST\r\nContent-Length: {size}\r\n\r\n"
    assert said(nginx.hold(host, head.encode()))[0] == 413


def test_a_form_never_lies_on_the_disk(nginx: Example) -> None:
    """security.md RL-07: what this server takes fits into memory."""
    size = 256 * 1024
    connection = nginx.hold(AUTH, b"POST /token HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n\r\n" % size)
    connection.sendall(b"a" * (size - 1))
    assert nginx.ask(AUTH, "/jwks") == 200
    assert nginx.on_disk("client_body") == 0
    connection.sendall(b"a")
    assert said(connection)[0] == 200


def test_one_address_has_256_requests_at_once_and_the_others_theirs(nginx: Example) -> None:
    """security.md RL-02, HP-14: what is beyond is refused, as soon as its head is there."""
    for _ in range(MOST_OF_AN_ADDRESS):
        nginx.hold(AUTH, SLOW_FORM, "127.0.0.2")
    honest = ((AUTH, "/jwks"), (FHIR, "/r4/metadata"))
    assert [nginx.ask(host, path, "127.0.0.2") for host, path in honest] == [429, 429]
    assert [nginx.ask(host, path, "127.0.0.3") for host, path in honest] == [200, 200]


@pytest.mark.parametrize(
    ("source", "token", "status"),
    [
        pytest.param("127.0.0.3", b"Bearer of-app-0", 429, id="the token"),
        pytest.param("127.0.0.3", b"bEARER  of-app-0 ", 429, id="the token, spelled otherwise"),
        pytest.param("127.0.0.2", b"Bearer another", 429, id="the address"),
        pytest.param("127.0.0.3", b"Bearer another", 200, id="another one"),
    ],
)
def test_at_the_fhir_server_one_token_has_32_requests_at_once_and_one_address_96(
    nginx: Example, source: str, token: bytes, status: int
) -> None:
    """HP-14, H6: whoever takes large answers slowly leaves most of the FHIR server (HAPI: 200 threads) to others."""
    for number in range(MOST_AT_THE_FHIR_SERVER):
        proof = b"Authorization: Bearer of-app-%d\r\n" % (number // MOST_OF_A_TOKEN)
        begin_record(nginx, proof, 10, 1, "127.0.0.2")
    asked = b"GET /r4/Patient/1 HTTP/1.1\r\nHost: HOST\r\nAuthorization: %b\r\n\r\n" % token
    answered, headers, body = said(nginx.hold(FHIR, asked, source))
    assert answered == status
    if answered != 200:
        assert (headers["Retry-After"], headers["Access-Control-Allow-Origin"]) == ("1", "*")
        assert json.loads(body)["issue"][0]["code"] == "throttled"


def test_an_answer_that_is_not_taken_does_not_go_to_the_disk(nginx: Example) -> None:
    """security.md HP-14: "never reading the response"; where bodies have filled the disk, answers go on."""
    taken = nginx.hold(AUTH, b"GET /large HTTP/1.1\r\nHost: HOST\r\n\r\n")
    time.sleep(2)
    assert nginx.on_disk("proxy") == 0
    status, _, body = said(taken)
    assert (status, len(body)) == (200, LARGE)
