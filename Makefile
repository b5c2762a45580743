# Two commands do everything from a clean clone: `make demo` and `make test`. Both make the environment they need;
# the other targets are theirs in pieces. PYTHON chooses the interpreter, VENV the folder of the environment.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MAKEFLAGS += --no-print-directory

# Caches are each user's own: what root's run leaves behind must not stop the next one's.
CACHE := $(CURDIR)/.cache-$(shell id -u)
export MYPY_CACHE_DIR := $(CACHE)/mypy
export RUFF_CACHE_DIR := $(CACHE)/ruff
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis
PYTEST := $(BIN)/python -m pytest -o cache_dir=$(CACHE)/pytest

# The tests that start processes, and look for what is left of them; all others are one process that computes.
LIVE := $(addprefix tests/,cli host scenarios sync testing tools vnic bad_drivers/test_live.py drivers/test_bridge.py \
	drivers/test_live.py drivers/test_mux.py kernel/test_workqueue_kill.py simulated/test_both_platforms.py \
	simulated/test_lanes.py test_pages.py)

.DEFAULT_GOAL := help
.PHONY: help demo test lint pytest pytest-live pytest-alone soak bench coverage clean run-environment dev-environment bench-environment python

help:
	@echo "make demo      make .venv, install, and run the emulator's main job"
	@echo "make test      the whole gate: ruff, mypy --strict, the import floors, pytest"
	@echo "make lint      the gate without pytest;  make pytest  pytest alone"
	@echo "make soak      the long trials: many seeds, many kills"
	@echo "make bench     the benchmarks, beside their rivals"
	@echo "make coverage  the tests, and which branches they reach"
	@echo "make clean     remove .venv and every cache"

demo: run-environment
	@$(BIN)/ndisemu demo

test: lint
	@echo "pytest: twice, beside each other; each says what it has found when it is done (make pytest: one, line by line)"
	@$(MAKE) -j2 --output-sync=target pytest-live pytest-alone

# PYTEST ends with the name of its cache: each half has one of its own.
pytest-live:
	$(PYTEST)-live $(LIVE)

pytest-alone:
	$(PYTEST)-alone tests $(addprefix --ignore=,$(LIVE))

lint: bench-environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --cache-dir $(CACHE)/import-linter

pytest: bench-environment
	$(PYTEST)

soak: dev-environment
	$(PYTEST) -m soak --timeout=1800 -o faulthandler_timeout=1700

bench: bench-environment
	$(BIN)/python -m tools.bench all

coverage: dev-environment
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

clean:
	rm -rf $(VENV) .cache-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

run-environment: python
	@$(PYTHON) tools/install.py --venv $(VENV)

dev-environment: python
	@$(PYTHON) tools/install.py --venv $(VENV) dev

bench-environment: python
	@$(PYTHON) tools/install.py --venv $(VENV) dev bench

python:
	@command -v $(PYTHON) >/dev/null || { echo "install: there is no $(PYTHON); mend: apt-get install python3 python3-venv"; exit 1; }
