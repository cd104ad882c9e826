# `make demo` shows a decision on generated shops; `make test` checks everything that CI checks.
# Both create their environment first, and again only when its lock file has changed.

PYTHON ?= python3
VENV := .venv
CORE := .venv-core
FOUNDATION := .venv-foundation
BIN := $(VENV)/bin
# number of processes that run tests; conftest.py says which tests stay together
JOBS ?= 2
FUZZ_SECONDS ?= 60
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder
PIP := -m pip install --disable-pip-version-check
# installs in a tenth of pip's time; without it pip does
UV := .venv-uv/bin/uv
# What the extra `foundation` is tested with; PyTorch is the build that pip finds for this machine.
TORCH := torch==2.13.0
MODELS := torchvision==0.28.0 transformers==5.24.0 open_clip_torch==3.3.0 timm==1.0.31 \
	huggingface_hub==2.4.0 safetensors==0.8.0 sentencepiece nncf \
	opencv-python

.PHONY: help env core demo docs test lint types imports meta unit foundation coverage slow mutants \
	fuzz notebooks lock licences clean

help:
	@echo "make demo       collect four generated shops, decide, and write a page (small environment)"
	@echo "make test       lint, types, layers, repository checks, tests, doctests, README, notebooks"
	@echo "make meta       the checks of the repository itself: docs, locks, release, notebooks"
	@echo "make foundation the tests of foundation models, in $(FOUNDATION)/ with PyTorch for the CPU"
	@echo "make slow       the tests marked slow"
	@echo "make coverage   the tests with line coverage; fails below 90 %"
	@echo "make mutants    mutation testing of the code that decides (hours)"
	@echo "make fuzz       fuzz the readers of untrusted bytes (FUZZ_SECONDS=60 each)"
	@echo "make docs       build the documentation in site/"
	@echo "make env        create the full environment, $(VENV)/"
	@echo "make core       create the small environment, $(CORE)/"
	@echo "make notebooks  run the notebooks in full and store their outputs"
	@echo "make lock       update both lock files from pyproject.toml"
	@echo "make licences   update docs/licences.md from what is installed"

env: $(VENV)/.installed
core: $(CORE)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
$(CORE)/.installed: requirements-core.lock pyproject.toml

%/.installed:
	@echo "==> environment: $*/ from $< (once; a minute or two)"
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("similarity_lab needs Python 3.11 to 3.13, this is %d.%d; use make PYTHON=python3.12" % v)'
	@$(PYTHON) -m venv --clear $*
	@{ $(MAKE) --silent $(UV) && $(UV) pip install --quiet --python $*/bin/python --require-hashes -r $<; } \
		|| $*/bin/python $(PIP) --require-hashes -r $<
	@$*/bin/python $(PIP) --quiet --no-deps --editable .
	@touch $@

$(FOUNDATION)/.installed: requirements-core.lock requirements.lock pyproject.toml Makefile
	@echo "==> environment: $(FOUNDATION)/ with $(TORCH) (once; a minute or two)"
	@$(PYTHON) -m venv --clear $(FOUNDATION)
	@$(FOUNDATION)/bin/python $(PIP) --quiet $(TORCH)
	@set -e; tools="--constraint requirements.lock $(MODELS) pytest pytest-xdist hypothesis sybil"; \
		{ $(MAKE) --silent $(UV) && $(UV) pip install --quiet --python $(FOUNDATION)/bin/python \
			-r requirements-core.lock && $(UV) pip install --quiet \
			--python $(FOUNDATION)/bin/python $$tools; } \
		|| { $(FOUNDATION)/bin/python $(PIP) --quiet -r requirements-core.lock; \
			$(FOUNDATION)/bin/python $(PIP) --quiet $$tools; }
	@$(FOUNDATION)/bin/python $(PIP) --quiet --no-deps --editable .
	@touch $@

$(UV):
	@$(PYTHON) -m venv --clear .venv-uv
	@.venv-uv/bin/python $(PIP) --quiet uv

# Uses the full environment if it is up to date; otherwise the small one.
demo:
	@$(MAKE) --question env >/dev/null 2>&1 || $(MAKE) --no-print-directory core
	@echo "==> demo: which of these shops sell almonds?"
	@venv=$(CORE); ! $(MAKE) --question env >/dev/null 2>&1 || venv=$(VENV); \
		$$venv/bin/similarity-lab demo --out demo

docs: env
	@echo "==> documentation: site/"
	@$(BIN)/python tools/docs_parts.py
	@$(BIN)/zensical build --clean --strict

test: lint types imports unit

lint: env
	@echo "==> lint (ruff)"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: env
	@echo "==> types (mypy)"
	@$(BIN)/mypy

imports: env
	@echo "==> layers (import-linter)"
	@$(BIN)/lint-imports

meta: env
	@echo "==> checks of the repository"
	@$(PYTEST) tests/repo

unit: env
	@echo "==> tests, repository checks, doctests, README blocks, notebooks in fast mode"
	@$(PYTEST) -m "not slow" --durations 10

foundation: $(FOUNDATION)/.installed
	@echo "==> foundation models: tiny ones that the libraries make"
	@OMP_NUM_THREADS=1 $(FOUNDATION)/bin/python -m pytest -n $(JOBS) tests/embedders/foundation \
		tests/embedders/test_adapting.py --durations 5

coverage: env
	@echo "==> line coverage of the tests; fails below 90 %"
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -m "not slow" -n $(JOBS) --dist loadgroup --no-loadscope-reorder
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

slow: env
	@echo "==> slow tests"
	@$(BIN)/python -m pytest -m slow

mutants: env
	@$(BIN)/python $(PIP) --quiet mutmut
	@PATH="$(CURDIR)/$(BIN):$$PATH" mutmut run

fuzz: env
	@$(BIN)/python $(PIP) --quiet atheris
	@for kind in images archives pages lists texts copies; do \
		$(BIN)/python tools/fuzz.py $$kind -max_total_time=$(FUZZ_SECONDS) || exit 1; done

notebooks: env
	@echo "==> notebooks, full run"
	@$(BIN)/python tools/run_notebooks.py

# The small lock takes its versions from the large one, so that both agree.
lock: $(UV)
	@set -e; compile="$(UV) pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'"; \
		eval $$compile --extra all pyproject.toml --output-file requirements.lock; \
		eval $$compile --extra web --constraints requirements.lock pyproject.toml \
			--output-file requirements-core.lock

licences: env
	@$(BIN)/python tools/licences.py

clean:
	rm -rf $(VENV) $(CORE) $(FOUNDATION) .venv-uv demo build site .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .coverage*
