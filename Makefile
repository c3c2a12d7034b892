# What people do with a checkout: `make` lists it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: demo help quickstart test test-all test-fast mutants lint format types docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

quickstart: $(VENV)/.installed ## train and evaluate a small English-German translator
	@$(BIN)/seq2seq train quickstart
	@$(BIN)/seq2seq evaluate runs/quickstart

demo: ## train the quickstart again and make the model that ships in seq2seq/demo
	@OMP_NUM_THREADS=1 $(BIN)/seq2seq train quickstart -o seed=1 -o train.precision=32-true --output runs/demo
	@$(BIN)/seq2seq evaluate runs/demo
	@$(BIN)/seq2seq export runs/demo --to seq2seq/demo --half --license apache-2.0

test: lint types ## everything that has to hold: lint, types and tests
	@echo "running the tests"
	@$(BIN)/python -m pytest -n 2

test-all: $(VENV)/.installed-release lint types ## as test, with the tests that need the tools of a release
	@echo "running all tests"
	@$(BIN)/python -m pytest -n 2

test-fast: $(VENV)/.installed-dev ## the unit tests and those of the documentation, in under a minute
	@echo "running the fast tests"
	@$(BIN)/python -m pytest -n 2 -m "not slow and not realdata" tests/unit tests/docs

mutants: $(VENV)/.installed-mutants ## mutate a hundred places of the code; list what no test detects
	@$(BIN)/python tests/mutants/mutants.py

lint: $(VENV)/.installed-dev ## check style and format
	@echo "checking style and format"
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .

format: $(VENV)/.installed-dev ## rewrite the code in the project's style
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

types: $(VENV)/.installed-dev ## check types
	@echo "checking types"
	@$(BIN)/mypy

# The variable silences a notice about MkDocs 2, which is not in use.
docs: $(VENV)/.installed-docs ## build the documentation with its API reference into site/
	@echo "building the documentation in site/"
	@log=$$(NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict 2>&1) || { echo "$$log" >&2; exit 1; }

clean: ## remove caches and build products; .venv and runs stay
	@echo "removing caches and build products"
	@rm -rf dist build site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find seq2seq tests docs examples -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps stand in the environment, so deleting it is enough to start afresh.
$(VENV)/.installed: pyproject.toml constraints.txt
	@python="$(PYTHON)"; if [ -x "$(BIN)/python" ]; then python="$(BIN)/python"; fi; \
	"$$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || { \
	echo "seq2seq needs Python 3.10 to 3.14, but $$python is $$("$$python" --version 2>/dev/null || echo not one). Name another, such as: make quickstart PYTHON=python3.12 VENV=.venv-3.12" >&2; exit 1; }
	@echo "setting up $(VENV): 2 to 4 minutes on a fresh machine"
	@[ -x "$(BIN)/pip" ] || "$(PYTHON)" -m venv "$(VENV)"
	@$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "adding the tools for development"
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(VENV)/.installed-release: $(VENV)/.installed-dev
	@echo "adding the tools for releases"
	@$(PIP_INSTALL) -e '.[release]'
	@touch $@

$(VENV)/.installed-mutants: $(VENV)/.installed-dev
	@echo "adding the tool for mutants"
	@$(PIP_INSTALL) -e '.[mutants]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "adding the tools for documentation"
	@$(PIP_INSTALL) -e '.[docs]'
	@touch $@
