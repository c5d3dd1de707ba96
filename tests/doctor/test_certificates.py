"""Why a store does not answer is told to who has to mend it, and to nobody else (issue 8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.certificates import encrypted_postgres, encrypted_redis
from tests.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doctor.conftest import Installation


def problem(installation: Installation, finding: str) -> str:
    """Of the one finding there is."""
    code, (found,) = installation.doctor()
    assert (code, found["id"]) == (1, finding)
    return found["problem"]


@pytest.mark.postgres
def test_a_certificate_of_an_authority_that_was_not_named(installation: Installation) -> None:
    """The database is not spoken to, and the doctor says that this is why."""
    with encrypted_postgres() as (server, certificates):
        url = server.new_database().replace("127.0.0.1", "localhost").replace("postgres@", "postgres:s3cret@")
        installation.extra = {
            "AUTHZ_DATABASE_URL": f"{url}?sslmode=verify-full&sslrootcert={certificates.stranger}",
        }
        told = problem(installation, "database.unreachable")
    assert told.startswith("the database does not answer: ")
    assert "certificate verify failed" in told
    assert "s3cret" not in told


@pytest.mark.redis
def test_the_same_of_redis(installation: Installation, tmp_path: Path) -> None:
    installation.seal()
    with encrypted_redis(tmp_path) as (port, certificates):
        installation.extra = {
            "AUTHZ_REDIS_URL": f"rediss://:s3cret@localhost:{port}/0?ssl_ca_certs={certificates.stranger}"
        }
        told = problem(installation, "store.unreachable")
    assert told.startswith("Redis does not answer: ")
    assert "certificate verify failed" in told
    assert "s3cret" not in told


def test_a_port_at_which_nobody_listens(installation: Installation) -> None:
    port = free_port()
    installation.extra = {"AUTHZ_DATABASE_URL": f"postgresql+psycopg://authz:s3cret@127.0.0.1:{port}/authz"}
    told = problem(installation, "database.unreachable")
    assert f"port {port} failed: Connection refused" in told
    assert "s3cret" not in told
