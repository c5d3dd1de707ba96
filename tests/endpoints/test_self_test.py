"""``POST /self-test``: only the bearer of a ticket of this installation's store learns how a request arrives."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from tests.actors import FORM
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World


def ask(world: World, ticket: str, method: str = "POST", **headers: str) -> Reply:
    sent = {"Content-Type": FORM, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return world.transport.send(method, f"{ISSUER}/self-test", sent, f"ticket={ticket}".encode())


def test_a_ticket_tells_once_how_the_request_arrived(world: World) -> None:
    ticket = world.services.self_tests.ticket()
    reply = ask(world, ticket, X_Forwarded_For="192.0.2.1")
    assert reply.json() == {
        "version": version("authz"),
        "at": world.clock().timestamp(),
        "peer": "127.0.0.1",
        "remote": "127.0.0.1",
        "forwarded_for": "192.0.2.1",
    }
    assert reply.header("cache-control") == "no-store"
    assert reply.header("access-control-allow-origin") is None
    assert ask(world, ticket).status == 404


def test_without_a_ticket_there_is_nothing(world: World) -> None:
    nothing = world.transport.send("GET", f"{ISSUER}/jwks/nothing").status
    for ticket in ("", "x" * 43, "x" * 5000):
        reply = ask(world, ticket)
        assert (reply.status, reply.json()["error"]) == (nothing, "not_found")
    late = world.services.self_tests.ticket()
    assert ask(world, late, method="GET").status == 405
    assert len(late) == 43
