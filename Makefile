# Everything a checkout can do. ARGS="..." is passed on to the command a target runs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet
LOCK := .venv/bin/uv pip compile pyproject.toml --group build --universal --python-version 3.11 \
	--generate-hashes --annotation-style line --custom-compile-command "make lock" --quiet $(ARGS)
# Written when an install has finished, so that the next one happens only after an edit of what it reads.
RUN := .venv/.run-installed
DEV := .venv/.dev-installed
WEB := web/client/node_modules/.installed

SEEDS := 1000
FIRST := 0
DEEPER := 0

.PHONY: help
help: ## Show these targets
	@sed -nE 's/^([a-z]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target what; do \
		printf '  make %-8s %s\n' "$$target" "$$what"; done

.PHONY: run
run: $(RUN) ## Start a server on http://127.0.0.1:8420 that keeps its data in ./data
	@.venv/bin/tideline serve --data ./data $(ARGS)

.PHONY: test
test: $(DEV) lint types web ## Run every check: lint, types and tests (ARGS go to pytest)
	scripts/need-test-packages
	.venv/bin/python -m pytest $(ARGS)

.PHONY: soak
soak: $(DEV) ## Simulate SEEDS=1000 worlds of trouble from FIRST=0, and search the model deeper with DEEPER=1
	@.venv/bin/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST)
	@test $(DEEPER) = 0 || .venv/bin/python -m tests.model --deeper $(DEEPER)

.PHONY: lint
lint: $(DEV) ## Check style and formatting
	.venv/bin/ruff check
	.venv/bin/ruff format --check

.PHONY: types
types: $(DEV) ## Check types
	.venv/bin/mypy $(wildcard src lab tests bench)

.PHONY: web
web: $(WEB) ## Check types and formatting of the browser's side
	cd web/client && npm run --silent check

.PHONY: format
format: $(DEV) $(WEB) ## Rewrite the source in the one format, with the safe lint fixes
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format
	cd web/client && npm run --silent format

.PHONY: bench
bench: $(RUN) ## Run the benchmarks (ARGS choose which)
	@.venv/bin/python -m bench $(ARGS)

.PHONY: lock
lock: ## Write both lock files from pyproject.toml (ARGS=--upgrade for newer versions)
	@scripts/bootstrap
	@$(PIP) install 'uv>=0.13,<1'
	@$(LOCK) --group dev --output-file requirements-dev.lock
	@$(LOCK) --constraint requirements-dev.lock --output-file requirements.lock

.PHONY: clean
clean: ## Remove what the other targets made, except ./data
	rm -rf .venv dist web/client/node_modules web/client/types screenshots .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src lab tests bench -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(RUN): pyproject.toml requirements.lock scripts/bootstrap
	@scripts/bootstrap
	@echo "Installing Tideline into .venv ..."
	@# Else pip measures the new versions against the ranges of the last install, and calls it an error.
	@$(PIP) uninstall --yes tideline 2>/dev/null
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) check || { echo "requirements.lock does not fit pyproject.toml: run 'make lock'" >&2; exit 1; }
	@touch $@

$(DEV): $(RUN) requirements-dev.lock
	@echo "Installing what the tests need ..."
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@

$(WEB): web/client/package-lock.json
	@scripts/need-test-packages
	@echo "Installing what checks the browser's side ..."
	@cd web/client && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@
