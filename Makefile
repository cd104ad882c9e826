# `make demo` shows the package deciding; `make test` checks everything that CI checks.
# Both make the environment first, and only when the lock file has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# how many processes run tests; a file of tests stays in one of them
JOBS ?= 2
STAMP := $(VENV)/.installed

.PHONY: help env demo docs test lint types unit coverage slow notebooks lock licences clean

help:
	@echo "make demo       collect two generated shops, decide, and write a page"
	@echo "make test       lint, types, tests, doctests, README blocks, notebooks in fast mode"
	@echo "make docs       build the documentation, site/"
	@echo "make env        only the environment, $(VENV)/"
	@echo "make notebooks  run the notebooks in full and keep their outputs"
	@echo "make lock       renew requirements.lock from pyproject.toml"
	@echo "make licences   renew docs/licences.md from what is installed"

env: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@echo "==> environment: $(VENV)/ from requirements.lock (once; a few minutes)"
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("similarity_lab needs Python 3.11 to 3.13, this is %d.%d; use make PYTHON=python3.12" % v)'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: env
	@echo "==> demo: which of these shops sell almonds?"
	@$(BIN)/similarity-lab demo --out demo

docs: env
	@echo "==> documentation: site/"
	@$(BIN)/python tools/docs_parts.py
	@$(BIN)/zensical build --clean --strict

test: lint types unit

lint: env
	@echo "==> lint (ruff)"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: env
	@echo "==> types (mypy)"
	@$(BIN)/mypy

unit: env
	@echo "==> tests, doctests, README blocks, notebooks in fast mode"
	@$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile --durations 10

coverage: env
	@echo "==> which lines the tests reach; fails below 90 %"
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -m "not slow" -n $(JOBS) --dist loadfile
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

slow: env
	@echo "==> slow tests"
	@$(BIN)/python -m pytest -m slow

notebooks: env
	@echo "==> notebooks, full run"
	@$(BIN)/python tools/run_notebooks.py

lock:
	@$(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --extra all pyproject.toml -o requirements.lock
	@rm -r $(VENV)-lock

licences: env
	@$(BIN)/python tools/licences.py

clean:
	rm -rf $(VENV) demo build site .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage*
