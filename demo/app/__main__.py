"""``python -m demo.app``."""

from datetime import UTC, datetime

from demo.app import create_app
from demo.authorization_server import AuthorizationServer
from demo.config import REFERRAL_CREDENTIAL
from demo.serve import config_from_environment, serve


def main() -> None:
    config = config_from_environment()
    server = AuthorizationServer(config)
    serve(create_app(config, server, REFERRAL_CREDENTIAL, lambda: datetime.now(UTC)), config.app_port)


if __name__ == "__main__":
    main()
