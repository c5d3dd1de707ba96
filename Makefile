# The two commands of a fresh machine are `make run` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := authz benchmarks demo tests migrations config/gunicorn.conf.py wsgi.py

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' Makefile)

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/run.done  ## serve the demo hospital at http://localhost:9001/ (PORT_BASE moves it)
	$(BIN)/python -m demo.run

test: $(VENV)/dev.done  ## what this machine can run, in at most ten minutes
	$(BIN)/python -m tests.run

test-all: $(VENV)/dev.done test node fhir-server  ## then everything else: PostgreSQL, Redis, Chromium, Node, nginx, jq, systemd-analyze, debootstrap; nothing is skipped
	$(BIN)/python -m tests.run --all

sbom: $(VENV)/campaigns.done  ## what a release is made of, as CycloneDX: build/sbom.json
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements/run.txt --pyproject pyproject.toml --mc-type application --output-reproducible --of JSON -o build/sbom.json

attacks: $(VENV)/dev.done node  ## try every case of the catalogue of attacks, on each store, and show the table of what held
	$(BIN)/python -m tests.run --attacks

attacks-timing: $(VENV)/dev.done  ## how long the server takes to say no, for what must not be told apart
	$(BIN)/python -m tests.attacks.timing

machine: $(VENV)/dev.done  ## 200 long lives of a server held against a model of what may be alive
	MACHINE_EXAMPLES=200 MACHINE_STEPS=40 $(BIN)/python -m pytest -q --hypothesis-show-statistics tests/faults/test_machine.py

faults: $(VENV)/dev.done  ## break everything this server needs while apps go on, R-01 to R-27, and show the table of what held (8 s each; FAULT_SECONDS)
	$(BIN)/python -m tests.faults.run

soak: $(VENV)/dev.done  ## twenty minutes of requests with short lifetimes: nothing may grow (SOAK_SECONDS)
	nice $(BIN)/python -m tests.faults.soak

outages: $(VENV)/dev.done  ## write docs/reference/outages.md anew: what is answered while Redis or PostgreSQL is away
	OUTAGES=write $(BIN)/python -m pytest -q -n 0 tests/faults/test_outages.py

fuzz: $(VENV)/campaigns.done  ## coverage-guided fuzzing of what reads strangers' bytes, ten minutes each
	$(BIN)/python -m tests.fuzz.run --seconds 600

fuzz-registration: $(VENV)/dev.done  ## ten thousand made-up bodies to /register and /register/{client_id}
	REGISTRATION_BODIES=10000 $(BIN)/python -m pytest -q --hypothesis-show-statistics tests/registration/test_openapi.py

fuzz-json: $(VENV)/campaigns.done  ## ten minutes of requests made from the OpenAPI description, with every kind of credential
	nice -n 19 $(BIN)/python -m tests.fuzz.endpoints --seconds 600

mutation: $(VENV)/campaigns.done  ## change the code of scopes, policy, redirect URIs and assertions: 90 % has to be noticed (about 20 minutes)
	nice -n 19 $(BIN)/python -m tests.mutation.run

check: format lint types imports  ## format, lint, types, order of imports: zero warnings

format: $(VENV)/dev.done
	$(BIN)/ruff format --check .

lint: $(VENV)/dev.done
	$(BIN)/ruff check .

types: $(VENV)/dev.done
	$(BIN)/mypy

imports: $(VENV)/dev.done
	$(BIN)/lint-imports

bench: $(VENV)/dev.done peers  ## this server beside its peers (glewlwyd if Debian's is installed) and the floor, about twenty minutes: benchmarks/report.md (BENCH="--rounds 1 --seconds 1")
	$(BIN)/python -m benchmarks.compare $(BENCH)

bench-quick: $(VENV)/dev.done  ## has an operation become dearer than its baseline? two minutes (BENCH=--store keeps what is found)
	$(BIN)/python -m benchmarks.quick $(BENCH)

bench-growth: $(VENV)/dev.done  ## is it as cheap with a million tokens, in PostgreSQL and Redis and in SQLite? ten minutes (SIZES)
	$(BIN)/python -m benchmarks.growth

bench-workers: $(VENV)/dev.done  ## one worker, two and four: throughput, latency at half load, memory, start; four on SQLite
	$(BIN)/python -m benchmarks.half_load

peers: build/peers/oidc-provider/.done build/peers/django/.done build/peers/canaille/.done
build/peers/%/.done: requirements/peer-%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

build/peers/oidc-provider/.done: benchmarks/oidc-provider/package-lock.json benchmarks/oidc-provider/server.mjs
	@mkdir -p build/peers
	cp -r benchmarks/oidc-provider build/peers/
	cd build/peers/oidc-provider && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

bench-web-messaging: $(VENV)/dev.done  ## the check of a web messaging handle beside the introspection of a token
	$(BIN)/python -m benchmarks.web_messaging

bench-consent-page: $(VENV)/dev.done  ## what the consent page costs the server, beside a constant answer
	$(BIN)/python -m benchmarks.consent_page

pictures: $(VENV)/dev.done node  ## every page in every state, to be looked at (build/pictures), and the main ones for docs/images
	$(BIN)/python -m pytest -q tests/browser/test_axe.py tests/browser/test_demo.py tests/browser/test_developers.py
	$(BIN)/python -m docs.pictures
bench-audit: $(VENV)/dev.done  ## search and verify an audit trail of a million records, on SQLite and PostgreSQL
	nice $(BIN)/python -m benchmarks.audit

docs: $(VENV)/dev.done  ## write the pages that are generated from the code and its tests
	$(BIN)/python -m docs.generate

node: tests/clients/node_modules/.done
tests/clients/node_modules/.done: tests/clients/package-lock.json
	cd tests/clients && npm ci --omit=optional --omit=peer --ignore-scripts --no-audit --no-fund
	touch $@

fhir-server: $(VENV)/fhir-server.done
$(VENV)/fhir-server.done: requirements/fhir-server.txt $(VENV)/run.done
	$(PYTHON) -m venv $(VENV)/fhir-server
	$(VENV)/fhir-server/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/fhir-server.txt
	@touch $@

translations: $(VENV)/dev.done  ## bring the catalogues of every language up to date with the texts in the code
	$(BIN)/python -m docs.translations

lock: $(VENV)/dev.done  ## resolve the dependencies anew and write the hashes
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-strip-extras --python-version 3.11 \
	  --extra postgres pyproject.toml requirements/build.in -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-strip-extras --python-version 3.11 \
	  --extra postgres --extra otel pyproject.toml requirements/build.in -c requirements/run.txt -o requirements/otel.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-strip-extras --python-version 3.11 \
	  --extra postgres --extra otel --group dev pyproject.toml requirements/build.in -c requirements/run.txt -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-strip-extras --python-version 3.11 \
	  requirements/campaigns.in -c requirements/dev.txt -o requirements/campaigns.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-strip-extras --python-version 3.11 \
	  requirements/fhir-server.in -o requirements/fhir-server.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-strip-extras --python-version 3.11 \
	  requirements/peer-django.in -o requirements/peer-django.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-strip-extras --python-version 3.11 \
	  requirements/peer-canaille.in -o requirements/peer-canaille.txt

$(VENV)/pip.done:
	@command -v $(PYTHON) >/dev/null || { echo "make: Python 3.11 or newer is missing ($(PYTHON))"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: the venv module is missing (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.done: requirements/run.txt pyproject.toml | $(VENV)/pip.done
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.done: requirements/dev.txt $(VENV)/run.done
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/campaigns.done: requirements/campaigns.txt $(VENV)/dev.done
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/campaigns.txt
	@touch $@

clean:  ## remove what was made, but no data
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/clients/node_modules
