# make train   install into .venv and train the main example on bundled real data
# make test    what CI runs: lint, types, tests
# make soak    the fault and fuzz tests at full scale, then make lowest (some twenty minutes)
# make lowest  all tests with the lowest versions of the libraries that pyproject.toml allows; make commands: one of them,
#              every command once, which is a part of make test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
# Twice as many as there are cores: a test that waits for a process leaves its core to another.
TESTERS := $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) * 2)')

# Where this is set, each of the many commands that the tests start would compile the modules of nnrun anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: train test types rewritten compiled compiled-float32 compiled-float64 commands soak lowest clean

train: $(VENV)/.installed
	$(BIN)/nnrun train configs/digits.yaml
	@echo 'To have nnrun on the PATH of this shell:  . $(BIN)/activate'

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) -j 4 commands compiled types rewritten
	$(BIN)/pytest -n $(TESTERS) --dist worksteal -m "not soak"

types:
	$(BIN)/mypy

# pytest rewrites the assertions of each module and keeps them; else each of its processes would, at the same time.
rewritten: $(VENV)/.installed-dev
	$(BIN)/pytest --collect-only -q -m "not soak" > /dev/null

# Before the tests, which would wait for it.
compiled: compiled-float32 compiled-float64

compiled-float32 compiled-float64: compiled-%: $(VENV)/.installed-dev
	$(BIN)/python -c 'import numpy as np; from nnrun.compiled.machine_code import load; load(np.dtype("$*"))'

commands: $(LOWEST)/.installed
	$(LOWEST)/bin/pytest tests/cli/test_every_command.py

# On a disk, as these write much.
soak: $(VENV)/.installed-dev
	TMPDIR=$${TMPDIR:-/tmp} $(BIN)/pytest -m soak --timeout 0
	$(MAKE) lowest

lowest: commands
	$(LOWEST)/bin/pytest -n $(TESTERS) --dist worksteal -m "not soak"

$(BIN)/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nnrun needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[fast]'
	touch $@

# By uv, which takes seconds where pip takes most of a minute.
$(VENV)/.installed-dev: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet 'uv>=0.8'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]'
	touch $(VENV)/.installed $@

# The lowest versions that have a wheel for this Python; what the tests themselves need is as new as it comes.
$(LOWEST)/.installed: $(VENV)/.installed-dev
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
		--only-binary :all: --no-binary nnrun --editable '.[parquet,excel,onnx,tpe]'
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python pytest pytest-xdist pytest-timeout hypothesis \
		jsonschema playwright ruff mypy uv hatchling hatch-fancy-pypi-readme
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
