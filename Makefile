# Needs Python >= 3.11 and make. Each target sets up .venv by itself; a second run skips what is done.
.DEFAULT_GOAL := help
.PHONY: help demo up down test test-on-server explore conformance simulate check bench deps-system lock clean run-env dev-env bench-env fonts

ARGS ?=

help: ## print this
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

demo: run-env fonts ## walk one loan from application to settlement on real parts (ARGS="--scenario declined")
	@.venv/bin/timelyrain demo $(ARGS)

up: run-env fonts ## start the platform in the background and print where it is
	@.venv/bin/timelyrain up $(ARGS)

down: run-env ## stop everything that `make up` started
	@.venv/bin/timelyrain down

test: dev-env ## run all tests on the embedded PostgreSQL (ARGS="tests/ledger -k batch")
	@.venv/bin/python -m pytest $(ARGS)

test-on-server: dev-env ## the same on your PostgreSQL >= 15: TIMELYRAIN_DATABASE_URL=postgresql://... (its user needs CREATEDB)
	@test -n "$$TIMELYRAIN_DATABASE_URL" || { echo "Set TIMELYRAIN_DATABASE_URL=postgresql://user:password@host/database first." >&2; exit 1; }
	@.venv/bin/python -m pytest $(ARGS)

explore: dev-env ## try other examples than CI does in every property test (EXAMPLES=1000 ARGS="tests/contract")
	@TIMELYRAIN_EXPLORE=$(or $(EXAMPLES),1000) .venv/bin/python -m pytest $(ARGS)

conformance: dev-env ## compare our numbers with published ones (SUITE=schedules|apr|identifiers|actus FILE=file-or-folder)
	@.venv/bin/python -m timelyrain.conformance $(if $(SUITE),--suite $(SUITE)) $(if $(FILE),--file $(FILE))

simulate: dev-env ## live a lender's years in minutes under an independent auditor (SEED=1 YEARS=3 LOANS=2000 BOOKED=60)
	@.venv/bin/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(YEARS),--years $(YEARS)) \
		$(if $(LOANS),--loans $(LOANS)) $(if $(BOOKED),--booked $(BOOKED))

check: dev-env ## format, lint, types and the doors between rooms
	@sh scripts/check.sh

bench: bench-env ## measure every claim of bench/ and write bench/results/ (ONLY=finance for one room)
	@sh scripts/bench.sh $(if $(ONLY),bench/$(ONLY).py) $(ARGS)

deps-system: ## install the optional system packages: fonts, poppler, a browser for page tests
	@sh scripts/deps-system.sh

lock: ## compile requirements*.lock from pyproject.toml (needs uv)
	@sh scripts/lock.sh

clean: ## stop the platform, remove .venv and caches; var/ with its data stays (`timelyrain db reset` erases that)
	@if [ -x .venv/bin/timelyrain ]; then .venv/bin/timelyrain down || true; fi
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage dist
	@find src tests bench scripts -name __pycache__ -prune -exec rm -rf {} +

run-env:
	@sh scripts/setup.sh

dev-env:
	@sh scripts/setup.sh dev

bench-env: # the peers come with it: zen, pandas, duckdb, optbinning ...
	@sh scripts/setup.sh bench

fonts: # the contract is Chinese; without a font it is still made and still verifies, so a failure here stops nothing
	@sh scripts/deps-system.sh fonts || true
