"""``python -m demo.ehr``."""

from datetime import UTC, datetime

from demo.authorization_server import AuthorizationServer
from demo.config import EHR_CREDENTIAL
from demo.ehr import create_ehr
from demo.serve import config_from_environment, serve


def main() -> None:
    config = config_from_environment()
    server = AuthorizationServer(config)
    serve(create_ehr(config, server, EHR_CREDENTIAL, lambda: datetime.now(UTC)), config.ehr_port)


if __name__ == "__main__":
    main()
