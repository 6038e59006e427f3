# `make help` lists what there is. Everything runs in .venv; `setup` makes it equal to requirements/dev.lock.

SHELL := /bin/sh
BIN := .venv/bin
PY := $(BIN)/python
HOST ?= 127.0.0.1
PORT ?= 8080
# Two workers: what the smallest CI machine has cores for.
WORKERS ?= 2
KILLS ?= 30
UNIT := not pg and not redis and not e2e and not live and not slow
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --exclude-newer "7 days" \
	--generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade

.DEFAULT_GOAL := help
.PHONY: help setup setup-old-sdks run web web-check check test test-all crash-test scenarios bench fmt lint types unit docs reference migrate migration lock release clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

setup: ## create .venv and install everything, from hashed locks (does nothing when it is current)
	@tools/setup.sh dev

setup-old-sdks: setup ## the previous generation of the vendors' SDKs, in .venv-old-sdks
	@tools/setup.sh old-sdks

web: setup ## build the web app (with the machine's Node, or PyPI's); does nothing when it is current
	@$(PY) tools/web.py

web-check: setup ## lint, types and unit tests of the web app, against the API as it is
	@$(PY) tools/web.py check

run: setup ## start Headgate in demo mode on HOST:PORT (127.0.0.1:8080) and print a curl line to try
	@$(PY) tools/web.py || echo "web: not built; the API works without it"
	@$(BIN)/headgate serve --demo --host $(HOST) --port $(PORT)

check: setup lint types unit ## format, lint, types, import contracts, budgets, unit tests (SQLite, in-process); under a minute

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(PY) -m tools.budgets
	$(PY) -m tools.lint_rules
	$(PY) -m tools.check_links
	$(PY) -m tools.settings_reference --check

types: setup
	$(PY) -m mypy -p headgate -p tools -p tests

unit: setup
	$(PY) -m pytest -q -n $(WORKERS) -m "$(UNIT)"

test: setup setup-old-sdks ## the whole suite, with real PostgreSQL, real Redis, real servers and real SDKs
	$(PY) -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not live and not exhaustive"

test-all: test ## `test`, then what takes longest, then the checks that talk to real providers (need keys in the environment)
	$(PY) -m pytest -q -m exhaustive
	$(PY) -m pytest -q -m live || [ $$? -eq 5 ]

crash-test: setup ## kill the gateway KILLS (30) times per database under load; its books stay right
	$(PY) -m tests.crash --kills $(KILLS)

scenarios: setup ## play the named situations of tests/scenarios and print what was expected and observed
	$(PY) -m tests.scenarios

bench: setup ## the benchmark that docs/benchmarks.md quotes
	$(PY) -m bench

fmt: setup ## format and fix what can be fixed
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: setup ## check links and the generated configuration reference
	$(PY) -m tools.check_links
	$(PY) -m tools.settings_reference --check

reference: setup ## regenerate docs/operations/configuration.md from settings.py
	$(PY) -m tools.settings_reference

migrate: setup ## bring the database of ./data (or of HEADGATE_DATABASE_URL) to the newest schema
	@$(BIN)/headgate migrate

migration: setup ## draft the next migration from the models: make migration m="add plans"
	@$(PY) -m tools.new_migration "$(m)"

lock: setup ## resolve anew: releases older than 7 days only, no registry address in the files
	$(LOCK) -o requirements/runtime.lock pyproject.toml
	$(LOCK) -o requirements/dev.lock pyproject.toml --group dev
	$(LOCK) -o requirements/old-sdks.lock --group old-sdks

release: setup web ## wheel and sdist in dist/, the web app included
	rm -rf dist
	$(PY) -m hatchling build

clean: ## remove build products and caches (never ./data, never .venv)
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
