# Two stages: dependencies by their hashes and the wheel are put into a virtual environment, which alone goes on, without
# what built it. The base is pinned by tag; pin it by digest in your own registry.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/authz
WORKDIR /source
COPY requirements/run.txt requirements/run.txt
RUN /opt/authz/bin/pip install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY authz authz
COPY migrations migrations
RUN /opt/authz/bin/pip install --no-deps --no-build-isolation . \
 && /opt/authz/bin/python -m pip uninstall --yes hatchling editables pathspec pluggy trove-classifiers pip setuptools

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 authz \
 && useradd --system --uid 10001 --gid authz --home-dir /srv/authz --create-home authz \
 && install --directory --owner authz --group authz --mode 0700 /srv/authz/var /srv/authz/keys \
 && python -m pip uninstall --yes --root-user-action ignore pip setuptools wheel
COPY --from=build /opt/authz /opt/authz
COPY wsgi.py /srv/authz/
COPY config/gunicorn.conf.py /srv/authz/config/
WORKDIR /srv/authz
# The root file system may be read-only. These two are written to: var unless PostgreSQL and Redis are used, keys
# by `authz keys`; both can be mounted. The rest is set by AUTHZ_*; the issuer has no default here.
VOLUME ["/srv/authz/var", "/srv/authz/keys"]
ENV PATH=/opt/authz/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 BIND=0.0.0.0:9000
USER 10001:10001
EXPOSE 9000
STOPSIGNAL SIGTERM
# Readiness is /readyz and belongs to the orchestrator; this one only asks whether the process answers.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9000/healthz', timeout=2)"]
CMD ["gunicorn", "--config", "config/gunicorn.conf.py", "wsgi:app"]
