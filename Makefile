# `make` lists the targets.  Each sets itself up: a virtual environment in .venv, made by PYTHON (the first Python >= 3.10
# that is found), with the package installed in place and the C kernels rebuilt whenever they change.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
CC ?= cc
PY := $(VENV)/bin/python
PIP = $(PY) -m pip install -q --disable-pip-version-check
LEVEL ?= 1
# Workers of the tests: one a core, 8 at most.
JOBS ?= $(shell n=`getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2`; [ $$n -gt 8 ] && n=8; echo $$n)
# The judges are part of the tests: TFLM=try uses TensorFlow Lite Micro where its wheel can be had, 1 insists, 0 leaves it
# out; MCU is the same for the Cortex-M toolchain and emulator; TORCH=1 adds PyTorch.
TFLM ?= try
MCU ?= try
TORCH ?= 0
# Executions of `make fuzz`.
FUZZ_RUNS ?= 10000000
FUZZ_FILES ?= 100000
# A file of pinned versions and hashes, such as tests/requirements/ci.txt: with it nothing else is installed (PyTorch apart, whose
# build for CPUs is not PyPI's).  Without it the versions are those that pyproject.toml allows and this Python can have.
LOCK ?=

EXTENSION := kernels/_c.abi3.so
C_SOURCES := $(wildcard kernels/*/*.c kernels/*/*.h emulator/*.c emulator/*.h)
METADATA := pyproject.toml setup.py
# What was asked for is part of the stamp's name: a later TORCH=1 is not taken for done.
TEST_STAMP := $(VENV)/test-$(TFLM)-$(MCU)-$(TORCH)$(if $(LOCK),-locked)
comma := ,

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "variables: PYTHON=$(PYTHON) VENV=$(VENV) CC=$(CC) JOBS=$(JOBS) LEVEL=$(LEVEL) TFLM=$(TFLM) MCU=$(MCU)" \
	    "TORCH=$(TORCH) DATA= ARGS="

demo: $(VENV)/core $(EXTENSION) ## train, quantize, verify and audit both models (DATA=flat or a CSV; default: simulated)
	$(VENV)/bin/tinyloc demo $(if $(DATA),--data '$(DATA)') $(ARGS)

test: $(TEST_STAMP) $(EXTENSION) ## run the tests (LEVEL=2: deep; TORCH=1: gradients against PyTorch; ARGS: for pytest)
	@# One BLAS thread a worker: more only get into each other's way.  Each begins with a part of its own, so that few files'
	@# fixtures are made twice, and takes what another one has left.  Without byte code, every worker and every process that a
	@# test starts would compile all of Python's sources, and pytest rewrite every assertion, anew.
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= \
	    $(PY) -m pytest -n $(JOBS) --dist worksteal --level $(LEVEL) $(ARGS)

test-torch: ## run the tests, gradients against PyTorch included (installs torch: large)
	@$(MAKE) --no-print-directory test TORCH=1

lint: $(VENV)/lint $(EXTENSION) ## ruff and mypy
	@status=0; $(VENV)/bin/ruff check . || status=1; $(MAKE) --no-print-directory types || status=1; exit $$status

# Type checkers do not run the import hook that puts kernels/ and emulator/ below tinyloc: give them a tree that needs none.
types: $(VENV)/lint ## mypy, over the package as it is installed
	@rm -rf build/types && mkdir -p build/types/tinyloc
	@for f in tinyloc/*[!_] kernels emulator; do ln -s ../../../$$f build/types/tinyloc/; done
	cd build/types && '$(abspath $(VENV))/bin/mypy' --config-file ../../pyproject.toml -p tinyloc

bench: $(TEST_STAMP) $(EXTENSION) ## time the kernels and their peers (ARGS: for pytest)
	$(PY) -m pytest benchmarks -o addopts=-ra --benchmark-only $(ARGS)

vectors: $(TEST_STAMP) $(EXTENSION) ## freeze vectors for new kernels in tests/frozen (ARGS=--accept: take changed bits too)
	$(PY) tests/make_frozen.py $(ARGS)

san: $(TEST_STAMP) $(EXTENSION) ## the C kernels under address and undefined-behavior sanitizers, against Numba, no warning allowed
	$(PY) tests/vectors.py build/vectors.bin --level $(LEVEL)
	$(PY) tests/vectors.py build/vectors.bin --run --cc '$(CC)'
	$(PY) tests/streams.py --run build/stream.bin --cc '$(CC)' --samples $(if $(filter 1,$(LEVEL)),40000,1000000)

fuzz: $(TEST_STAMP) $(EXTENSION) ## fuzz images, packets and files (FUZZ_RUNS a C target, FUZZ_FILES a file's kind; clang, else cc)
	$(PY) tests/fuzz/run.py --runs $(FUZZ_RUNS)
	$(PY) tests/fuzz/files.py --runs $(FUZZ_FILES)

vectors-c: ## the frozen vectors in C alone (CC=, CFLAGS=; no Python)
	@mkdir -p build
	$(CC) -std=c99 $(CFLAGS) -I kernels/c tests/c/frozen.c kernels/c/*.c -o build/frozen
	build/frozen

mutants: $(TEST_STAMP) $(EXTENSION) ## mutation testing of the C and of kernels/fixed.py; resumes (ARGS: files, --survived, --jobs 2)
	$(PY) tests/mutants.py --cc gcc $(ARGS)

coverage: $(TEST_STAMP) $(EXTENSION) ## lines and branches of kernels/c that the tests run, by gcov (ARGS='--html build/c.html')
	$(PY) tests/c_coverage.py $(ARGS)

dist: $(VENV)/dist ## sdist and wheel in dist/: built twice and compared, checked (ARGS=--test: installed afresh and tested)
	$(PY) tests/dist.py dist $(ARGS)

wheels: $(VENV)/dist ## sdist and the wheels of every platform in dist/: cross-compiled twice and compared (ARGS=--only …)
	$(PY) tests/wheels.py build dist $(ARGS)

lock: ## pin what CI installs, with hashes, to the newest versions: tests/requirements/*.txt
	@[ -x $(VENV)/bin/uv ] || { $(MAKE) --no-print-directory $(VENV)/made && $(PIP) 'uv>=0.8'; }
	$(VENV)/bin/uv pip compile -q --universal --upgrade --generate-hashes --python-version 3.10 --custom-compile-command 'make lock' \
	    $(LOCKED:%=--extra %) -c tests/requirements/limits.txt tests/requirements/dist.in pyproject.toml -o tests/requirements/ci.txt
	$(VENV)/bin/uv pip compile -q --universal --upgrade --generate-hashes --python-version 3.10 --custom-compile-command 'make lock' \
	    tests/requirements/wheels.in -o tests/requirements/wheels.txt

docs: $(VENV)/docs $(EXTENSION) ## the documentation as a site, in build/site: strict, readable from the folder, without a network
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build -q --strict

clean: ## remove what make built (and the virtual environment)
	rm -rf build dist *.egg-info $(EXTENSION) $(VENV)

# ---- set-up; each file stands for what is installed ----

.PHONY: help demo test test-torch lint types bench vectors san fuzz vectors-c mutants coverage dist wheels lock docs clean

LOCKED := test tflm mcu lint docs
# With a lock, setuptools and cffi are its own too.
EDITABLE = $(if $(LOCK),$(PIP) --require-hashes -r '$(LOCK)' && )$(PIP) $(if $(LOCK),--no-build-isolation) -e

# `pip install -e` builds the C kernels as well.
$(VENV)/core: $(METADATA) | $(VENV)/made
	$(EDITABLE) '.[data]'
	@touch $@

$(TEST_STAMP): $(METADATA) | $(VENV)/made
	$(EDITABLE) '.[test$(if $(filter 1,$(TFLM)),$(comma)tflm)$(if $(filter 1,$(MCU)),$(comma)mcu)$(if $(filter 1,$(TORCH)),$(comma)torch)]'
	@$(if $(filter try,$(TFLM)),$(call try,tflm,TensorFlow Lite Micro))
	@$(if $(filter try,$(MCU)),$(call try,mcu,Cortex-M toolchain and emulator))
	@touch $(VENV)/core $@

# An extra's own requirements, read from the metadata of what is installed; its absence is said, not an error.
try = $(PY) -c 'import importlib.metadata as m; \
    [print(r.split(";")[0]) for r in m.requires("tinyloc") if r.split(";")[-1].strip() == "extra == \"$(1)\""]' \
    | $(PIP) -r /dev/stdin || echo "note: no $(2) for this Python: the tests that need it will be skipped"

$(VENV)/lint: $(METADATA) | $(VENV)/made
	$(EDITABLE) '.[lint]'
	@touch $(VENV)/core $@

$(VENV)/dist: tests/requirements/dist.in | $(VENV)/made
	$(PIP) $(if $(LOCK),--require-hashes -r '$(LOCK)',-r $<)
	@touch $@

$(VENV)/docs: $(METADATA) | $(VENV)/made
	$(EDITABLE) '.[docs]'
	@touch $(VENV)/core $@

$(EXTENSION): $(C_SOURCES) kernels/build_c.py $(METADATA) | $(VENV)/made
	@$(PY) -c 'import setuptools, cffi' 2>/dev/null || $(PIP) 'setuptools>=77' 'cffi>=1.17'
	$(PY) setup.py -q build_ext --inplace
	@touch $@

$(VENV)/made:
	@# Say what is missing, and how to get it, before pip says it in a hundred lines.
	@[ -n '$(PYTHON)' ] && '$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
	    { echo "tinyloc needs Python 3.10 or newer; $(or $(PYTHON),python3) is not. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@'$(PYTHON)' -c 'import venv, ensurepip' 2>/dev/null || \
	    { echo "tinyloc needs Python's venv module, which $(PYTHON) lacks. Debian, Ubuntu: apt install python3-venv" >&2; exit 1; }
	@command -v $(firstword $(CC)) >/dev/null || \
	    { echo "tinyloc needs a C compiler, and there is no $(firstword $(CC)). Debian, Ubuntu: apt install gcc; or name one: make CC=clang" >&2; exit 1; }
	@'$(PYTHON)' -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || \
	    { echo "tinyloc needs the headers of $(PYTHON). Debian, Ubuntu: apt install python3-dev" >&2; exit 1; }
	'$(PYTHON)' -m venv '$(VENV)'
	@touch $@
