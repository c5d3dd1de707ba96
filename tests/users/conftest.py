from tests.flows.conftest import shared
from tests.registries import made, postgres_url

__all__ = ["made", "postgres_url", "shared"]
