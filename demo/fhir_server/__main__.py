"""``python -m demo.fhir_server``."""

from datetime import UTC, datetime

from demo.authorization_server import AuthorizationServer
from demo.config import FHIR_CREDENTIAL
from demo.fhir_server import create_fhir_server
from demo.serve import config_from_environment, serve


def main() -> None:
    config = config_from_environment()
    server = AuthorizationServer(config)
    serve(create_fhir_server(config, server, FHIR_CREDENTIAL, lambda: datetime.now(UTC)), config.fhir_port)


if __name__ == "__main__":
    main()
