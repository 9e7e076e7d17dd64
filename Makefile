# make run     build a part of the bundled campaign; STAGE=all builds all of it
# make test    pass the tests
# make lint    the checks that need no run
# make lock    renew requirements.lock and envs/ after a change of pyproject.toml

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
STAGE ?= pilot

# Behind a proxy that signs for itself, the system knows its certificate. uv has renamed the switch.
export UV_NATIVE_TLS := 1
export UV_SYSTEM_CERTS := 1

.PHONY: run test lint lock bench clean

run: $(VENV)/.installed
	$(BIN)/snakemake $(STAGE) --cores $(CORES)

test: $(VENV)/.installed
	$(BIN)/pytest -n $(CORES) --dist worksteal

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

bench: $(VENV)/.installed
	@echo "Run one of:"; ls bench/*.py

lock: $(VENV)/.installed
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate -o requirements.lock
	$(BIN)/python envs/write.py

# Bytecode is compiled once here: without it, every job would compile what it imports.
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "imagemake needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check 'uv>=0.9,<1'
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --compile-bytecode -e .
	touch $@

# What can be made again. The store is left alone: it was paid for.
clean:
	rm -rf $(VENV) work results logs .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
