# make train | test | lint | bench | gpu-check: each sets up .venv when it is missing or older than what it is made from.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
ARGS ?=

.PHONY: train test lint bench gpu-check clean help

train: .venv/.ready
	$(BIN)/python train.py optimizer=adam $(ARGS)

test: .venv/.ready-dev
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: .venv/.ready
	$(BIN)/python scripts/bench.py $(ARGS)

gpu-check: .venv/.ready-dev
	$(BIN)/python scripts/gpu_check.py $(ARGS)

clean:
	rm -rf .venv

help:
	@echo 'make train [ARGS="optimizer=rmsprop"]   train on the embedded digits and record the run'
	@echo 'make test  [ARGS="-k digits"]           the test suite; ARGS=--cov: and which lines it does not reach'
	@echo 'make lint                               ruff, mypy and the floor plan; before each commit: .venv/bin/pre-commit install'
	@echo 'make bench [ARGS=--quick]               speed, beside other loops; let the machine do nothing else'
	@echo 'make gpu-check [ARGS=--rehearse]        tests, speed and runs side by side on one GPU, in ten minutes'
	@echo 'make clean                              removes .venv'

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "optlab needs Python 3.11 or later; name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.ready: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.ready-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch .venv/.ready $@
