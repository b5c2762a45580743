# Two commands do everything from a clean clone: `make demo` and `make test`. Both make the environment they need;
# the other targets are theirs in pieces. PYTHON chooses the interpreter, VENV the folder of the environment.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help demo test lint pytest soak bench coverage clean run-environment dev-environment bench-environment python

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
	$(BIN)/python -m pytest

lint: dev-environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

pytest: dev-environment
	$(BIN)/python -m pytest

soak: dev-environment
	$(BIN)/python -m pytest -m soak --timeout=1800 -o faulthandler_timeout=1700

bench: bench-environment
	$(BIN)/python -m tools.bench echo
	$(BIN)/python -m tools.bench workitems

coverage: dev-environment
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

run-environment: python
	@$(PYTHON) tools/install.py --venv $(VENV)

dev-environment: python
	@$(PYTHON) tools/install.py --venv $(VENV) dev

bench-environment: python
	@$(PYTHON) tools/install.py --venv $(VENV) dev bench

python:
	@command -v $(PYTHON) >/dev/null || { echo "install: there is no $(PYTHON); mend: apt-get install python3 python3-venv"; exit 1; }
