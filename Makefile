# `make` or `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
# Of images: as pyproject.toml has it.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: help setup demo up rush test fuzz security bench-abuse bench-waiting-room bench-enrollment bench-expiry bench-registration bench-audit bench-audit-log \
  bench-availability bench-import bench-reconciliation bench-logins bench-timing bench-tickets bench-overload mutation upgrades faults capacity alerts \
  lint images sbom test-containers format manifests protos lock clean

help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## make .venv and install the locked dependencies (the others call it)
	@scripts/setup

# Each process that a test starts would else compile our modules anew.
test fuzz: export PYTHONDONTWRITEBYTECODE :=

test: setup ## run all tests, a process a core and one (PYTEST_ARGS="-k seats" for a part)
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

fuzz: setup ## 10,000 odd requests to every method, an hour (ZIKAO_FUZZ_SEED=7 for other ones)
	@ZIKAO_FUZZ_SHOTS=10000 $(BIN)/python -m pytest -n auto --dist load --maxschedchunk 1 tests/integration -k fuzz $(PYTEST_ARGS)

upgrades: setup ## play a session on the code before each pair of migrations, half a minute each
	@PYTHONPATH=tests $(BIN)/python tests/migration/history.py

mutation: setup ## take each safety mechanism away, and see tests notice (MUTATION_ARGS="ledger-lock lock-order")
	@PYTHONPATH=tests $(BIN)/python tests/mutation/run.py $(MUTATION_ARGS)

faults: setup ## break an installation again and again under load (FAULTS=1000 FAULTS_ARGS="--seed 7")
	@$(BIN)/zikao faults --count $(or $(FAULTS),200) $(FAULTS_ARGS)

images: setup ## build zikao/registration, enrollment, tickets (TAG=0.2.0 PYTHON_IMAGE=python:3.11-slim-bookworm)
	@scripts/images

sbom: setup ## list what is in the images: out/sbom/*.cdx.json (CycloneDX)
	@$(BIN)/python scripts/sbom.py $(or $(TAG),$(VERSION)) out/sbom

test-containers: images ## build the images, and test them and a whole session on them
	@ZIKAO_TEST_IMAGES=$(or $(TAG),$(VERSION)) $(BIN)/python -m pytest tests/containers $(PYTEST_ARGS)

demo: setup ## play a whole session on this machine (DEMO_ARGS="--others 50")
	@$(BIN)/zikao demo $(DEMO_ARGS)

up: setup ## run everything on this machine until Ctrl-C (UP_ARGS="--reset")
	@$(BIN)/zikao up $(UP_ARGS)

rush: setup ## rehearse an opening at three times what this machine bears (RUSH_ARGS="--seed 7")
	@$(BIN)/zikao rush $(RUSH_ARGS)

bench-registration: setup ## 20 officers approve 5,000 applications, as a ratio to an empty call
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_registration.py

bench-enrollment: setup ## what a submission costs, as ratios to an empty call and to plain SQL
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_enrollment.py

bench-reconciliation: setup ## a day of 1,000,000 payments, one fen and one seat too many
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_reconciliation.py

bench-audit: setup ## the auditor over a million orders, and submissions beside it
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_audit.py

bench-audit-log: setup ## a million entries of an audit sealed, and their chain followed
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_audit_log.py

bench-availability: setup ## 2,000 streams of remaining seats from one process
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_availability.py

bench-import: setup ## 100,000 older candidates from a file, with and without photos
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_import.py

bench-logins: setup ## ordinary calls beside a storm of 200 clients that log in
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_login_storm.py

bench-timing: setup ## whether the time of an answer tells who is registered
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_timing.py

bench-tickets: setup ## a whole session arranged and checked, a county printed (BENCH_ARGS="arranging codes paper")
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_tickets.py $(BENCH_ARGS)

bench-waiting-room: setup ## 10,000 candidates with 3 tabs: one place each, a fair draw, the rate of admission
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_waiting_room.py

bench-overload: setup ## what is still done when 3 and 10 times as much is wanted as can be done
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_overload.py

.PHONY: bench-abuse
bench-abuse: setup ## what honest callers still get while somebody abuses the server (BENCH_ARGS="ping_flood idle_tls")
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_abuse.py $(BENCH_ARGS)

bench-expiry: setup ## submissions while 50,000 holds of the same county end
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_expiry.py

capacity: setup ## measure what calls cost, and write docs/capacity.md anew (3 minutes)
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_capacity.py

alerts: ## check deploy/prometheus, and play to its alerts what they are for
	@scripts/promtool check rules deploy/prometheus/*.yaml
	@scripts/promtool test rules deploy/prometheus/tests/*.yaml

manifests: setup ## render what is applied to Kubernetes, and each component, into out/manifests
	@$(BIN)/python scripts/manifests.py out/manifests

lint: setup ## ruff, mypy, import contracts, buf lint and breaking, generated code and pages, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/python scripts/breaking.py
	scripts/protos --check
	$(BIN)/python scripts/errors_page.py --check
	$(BIN)/python scripts/api_reference.py --check
	PYTHONPATH=scripts $(BIN)/python -m dashboards --check
	$(BIN)/python scripts/security_page.py --check
	$(BIN)/python scripts/check_sizes.py

format: setup ## let ruff format and fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: setup ## regenerate libs/protos, docs/errors.md and docs/api from protos/, and deploy/grafana
	@scripts/protos
	@$(BIN)/python scripts/errors_page.py
	@$(BIN)/python scripts/api_reference.py
	@PYTHONPATH=scripts $(BIN)/python -m dashboards

security: setup ## write the table of docs/security.md from docs/asvs.toml
	@$(BIN)/python scripts/security_page.py

lock: setup ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url \
	  --no-header --python-version 3.11 --annotation-style line --quiet --upgrade -o requirements.lock

clean: ## remove everything that was generated or installed
	rm -rf .venv out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
