# Everything a person, a hook or a build server runs; `make` alone lists it.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3 2>/dev/null)
VENV := .venv
BIN := $(VENV)/bin
RUN_IN_DISPLAY = $(if $(shell command -v xvfb-run 2>/dev/null),xvfb-run -a -s "-screen 0 1366x768x24",)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo app test test-crf test-lowest test-slow check lint docs docs-serve samples figures weights method-tables method-numbers bench bench-accuracy wheel clean

help:  ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.has-test  ## Make .venv with everything that running and testing needs

demo: $(VENV)/.has-test  ## Train on the synthetic heart, predict, score: about a minute
	@$(BIN)/scribseg demo --out demo-run/$$(date +%Y-%m-%dT%H-%M-%S)

app: $(VENV)/.has-test $(VENV)/.has-display  ## Open napari on the synthetic heart (needs a display)
	@$(BIN)/scribseg app $(ARGS)

test: $(VENV)/.has-test $(VENV)/.has-display $(VENV)/.has-browser  ## Run the tests, GUI included, in a virtual display
	@$(if $(ARGS),$(RUN_IN_DISPLAY) $(BIN)/python -m pytest $(ARGS),scripts/run-tests.sh $(BIN)/python)

test-slow: $(VENV)/.has-test $(VENV)/.has-display  ## Run the tests that take minutes
	@$(RUN_IN_DISPLAY) $(BIN)/python -m pytest -m slow $(ARGS)

test-crf: $(VENV)/.has-test $(VENV)/.has-crf  ## Run the tests of the extra crf (installs it: needs a C++ compiler)
	@$(BIN)/python -m pytest tests/propagate/test_dense_crf.py $(ARGS)

test-lowest: $(VENV)/.has-display  ## Run the tests with the oldest versions that we support, in .venv-lowest
	@$(BIN)/python scripts/lowest_versions.py > $(VENV)/lowest.txt
	@$(PYTHON) -m venv .venv-lowest
	@.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/lowest.txt -e '.[test]'
	@$(RUN_IN_DISPLAY) .venv-lowest/bin/python -m pytest $(ARGS)

check: lint docs test  ## Run all checks and tests

docs: $(VENV)/.has-docs  ## Build the site of the documentation into site/, strictly
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-serve: $(VENV)/.has-docs  ## Show the site of the documentation while writing it
	@$(BIN)/mkdocs serve

lint: $(VENV)/.has-dev  ## Check style, types, layers and the plugin manifest
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/npe2 validate napari_scribseg/napari.yaml

samples: $(VENV)/.has-test  ## Make the synthetic sample data again (same bytes)
	@$(BIN)/python sample_data/make.py

weights: $(VENV)/.has-test  ## Pre-train the weights that know anatomy again: hours of one core
	@$(BIN)/python scripts/make_weights.py napari_scribseg/anatomy/weights $(ARGS)

figures: $(VENV)/.has-test  ## Make the figures of the methods' pages and the learning curves again
	@$(BIN)/python docs/make_method_figures.py $(ARGS)
	@$(BIN)/python docs/make_learning_curves.py

method-tables: $(VENV)/.has-test  ## Write the tables of methods in README and docs from their specs
	@$(BIN)/python docs/make_method_tables.py

method-numbers: $(BIN)/python  ## Write what docs/benchmarks.md measured into the methods' pages
	@$(BIN)/python docs/make_method_numbers.py

bench: $(VENV)/.has-test  ## Time steps, predictions, E-steps, preparing; memory: ten minutes
	@$(BIN)/python benchmarks/throughput.py $(ARGS)
	@$(BIN)/python benchmarks/preparing.py

bench-accuracy: $(VENV)/.has-test  ## Train and score all methods: ARGS="DATASET OUT", a day
	@$(BIN)/python benchmarks/accuracy.py $(ARGS)

wheel: $(VENV)/.has-dev  ## Build the wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:  ## Remove .venv, caches and builds; runs stay
	@rm -rf $(VENV) .venv-lowest site build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || scripts/system-packages.sh python
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.has-test $(VENV)/.has-dev $(VENV)/.has-docs $(VENV)/.has-crf: $(VENV)/.has-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@

$(VENV)/.has-display $(VENV)/.has-browser: $(VENV)/.has-%: scripts/system-packages.sh | $(BIN)/python
	@scripts/system-packages.sh $*
	@touch $@
