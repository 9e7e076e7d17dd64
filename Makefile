# make run     build a sample of the bundled campaign; STAGE=all builds all of it
# make test    run the tests
# make test-diffusers    run the tests of models on this machine, which need torch
# make lint    check format, types, imports, and rules
# make dist    build wheel and sdist into dist/, and check them
# make docs    build the documentation site into site/, and check its links; make screenshots makes its pictures
# make bench    compare with scripts by hand and other tools, and write the page: hours; make bench-quick: a minute
# make lock    update both locks and envs/ after a change of pyproject.toml

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
STAGE ?= pilot

# Use the certificates of the system, such as that of a proxy. uv renamed this variable, so both are set.
export UV_NATIVE_TLS := 1
export UV_SYSTEM_CERTS := 1

.PHONY: run test test-diffusers lint dist docs screenshots lock bench bench-quick clean

run: $(VENV)/.installed
	$(BIN)/snakemake $(STAGE) --cores $(CORES)

test: $(VENV)/.developing
	$(BIN)/pytest -n $$(($(CORES) + 1)) --dist worksteal # tests wait for processes, too

# torch takes a gigabyte, so it has an environment of its own, which sees the packages of the other one.
DIFFUSERS := $(VENV)/diffusers
test-diffusers: $(DIFFUSERS)/.installed
	$(DIFFUSERS)/bin/python -m pytest -p no:cacheprovider tests/unit/plugins/providers tests/workflow/test_diffusers_builds.py -k diffusers

$(DIFFUSERS)/.installed: tests/requirements-diffusers.txt $(VENV)/.developing
	$(PYTHON) -m venv --clear $(DIFFUSERS)
	$(DIFFUSERS)/bin/python -m pip install -q --disable-pip-version-check -r $<
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		>"$$($(DIFFUSERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/other.pth"
	touch $@

lint: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

dist: $(VENV)/.developing
	rm -rf dist
	$(BIN)/uv build -q --python $(BIN)/python
	$(BIN)/uv tool run -q 'twine@7' check --strict dist/* # not in the lock: Snakemake needs an older packaging
	$(BIN)/uv tool run -q 'check-wheel-contents@0.6' dist/*.whl

# Not quietly: MkDocs would not count its warnings then. Versions are not in the lock, as with `make dist`.
docs: $(VENV)/.developing
	NO_MKDOCS_2_WARNING=1 $(BIN)/uv tool run -q --from 'mkdocs@1.6.1' --with 'mkdocs-material==9.8.2' \
		--with 'mkdocstrings-python==2.0.11' --with 'ruff==0.17.6' mkdocs build --strict

screenshots: docs
	$(BIN)/python bench/screenshots.py

bench: $(VENV)/.developing
	$(BIN)/python bench/compare.py

bench-quick: $(VENV)/.developing
	$(BIN)/python bench/compare.py --quick

# What a build needs, and what developers need beside it, in the same versions.
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: $(VENV)/.developing
	$(COMPILE) --upgrade pyproject.toml --extra dev -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra review -c requirements-dev.lock -o requirements.lock
	$(BIN)/python envs/write.py

# Installing compiles no bytecode: Python compiles what is used, when it is first used: one file in seven.
export PYTHONDONTWRITEBYTECODE :=
INSTALL := $(BIN)/uv pip install -q --python $(BIN)/python
UV := 'uv>=0.9,<1'
# The environment gets uv from the pip of $(PYTHON), and its own pip from uv: seconds faster than from `venv`.
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "imagemake needs Python 3.11 or newer. Pass one: make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install -q --disable-pip-version-check $(UV) || \
		{ $(BIN)/python -m ensurepip --default-pip && $(BIN)/python -m pip install -q --disable-pip-version-check $(UV); }
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) pip
	$(INSTALL) --no-deps -e .
	touch $@

$(VENV)/.developing: $(VENV)/.installed requirements-dev.lock
	$(INSTALL) --require-hashes -r requirements-dev.lock
	touch $@

# Removes what can be built again. The store stays: you paid for it.
clean:
	rm -rf $(VENV) .bench dist site work results logs .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
