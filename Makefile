# make train   install into .venv and train the main example on bundled real data
# make test    what CI runs: lint, types, tests
# make soak    the fault and fuzz tests at full scale (some ten minutes)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test soak clean

train: $(VENV)/.installed
	$(BIN)/nnrun train configs/digits.yaml
	@echo 'To have nnrun on the PATH of this shell:  . $(BIN)/activate'

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto -m "not soak"

soak: $(VENV)/.installed-dev
	$(BIN)/pytest -m soak

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nnrun needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
