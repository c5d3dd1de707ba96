from tests.flows.conftest import shared

__all__ = ["shared"]
