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

EXTENSION := kernels/_c.abi3.so
C_SOURCES := $(wildcard kernels/c/*.c kernels/c/*.h kernels/host/*.c kernels/host/*.h)
METADATA := pyproject.toml setup.py
# What was asked for is part of the stamp's name: a later TORCH=1 is not taken for done.
TEST_STAMP := $(VENV)/test-$(TFLM)-$(MCU)-$(TORCH)
comma := ,

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "variables: PYTHON=$(PYTHON) VENV=$(VENV) CC=$(CC) JOBS=$(JOBS) LEVEL=$(LEVEL) TFLM=$(TFLM) MCU=$(MCU)" \
	    "TORCH=$(TORCH) DATA= ARGS="

demo: $(VENV)/core $(EXTENSION) ## train, quantize, verify and audit both models (DATA=flat or a CSV; default: simulated)
	$(VENV)/bin/tinyloc demo $(if $(DATA),--data '$(DATA)') $(ARGS)

test: $(TEST_STAMP) $(EXTENSION) ## run the tests (LEVEL=2: deep; TORCH=1: gradients against PyTorch; ARGS: for pytest)
	@# One BLAS thread a worker: more only get into each other's way.
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --level $(LEVEL) $(ARGS)

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

vectors-c: ## the frozen vectors in C alone (CC=, CFLAGS=; no Python)
	@mkdir -p build
	$(CC) -std=c99 $(CFLAGS) -I kernels/c tests/c/frozen.c kernels/c/*.c -o build/frozen
	build/frozen

mutants: $(TEST_STAMP) $(EXTENSION) ## mutation testing of the C kernels; resumes (ARGS: files, --survived, --jobs 2)
	$(PY) tests/mutants.py --cc gcc $(ARGS)

coverage: $(TEST_STAMP) $(EXTENSION) ## lines and branches of kernels/c that the tests run, by gcov (ARGS='--html build/c.html')
	$(PY) tests/c_coverage.py $(ARGS)

clean: ## remove what make built (and the virtual environment)
	rm -rf build dist *.egg-info $(EXTENSION) $(VENV)

# ---- set-up; each file stands for what is installed ----

.PHONY: help demo test test-torch lint types bench vectors san vectors-c mutants coverage clean

# `pip install -e` builds the C kernels as well.
$(VENV)/core: $(METADATA) | $(VENV)/made
	$(PIP) -e '.[data]'
	@touch $@

$(TEST_STAMP): $(METADATA) | $(VENV)/made
	$(PIP) -e '.[test$(if $(filter 1,$(TFLM)),$(comma)tflm)$(if $(filter 1,$(MCU)),$(comma)mcu)$(if $(filter 1,$(TORCH)),$(comma)torch)]'
	@$(if $(filter try,$(TFLM)),$(call try,tflm,TensorFlow Lite Micro))
	@$(if $(filter try,$(MCU)),$(call try,mcu,Cortex-M toolchain and emulator))
	@touch $(VENV)/core $@

# An extra's own requirements, read from the metadata of what is installed; its absence is said, not an error.
try = $(PY) -c 'import importlib.metadata as m; \
    [print(r.split(";")[0]) for r in m.requires("tinyloc") if r.split(";")[-1].strip() == "extra == \"$(1)\""]' \
    | $(PIP) -r /dev/stdin || echo "note: no $(2) for this Python: the tests that need it will be skipped"

$(VENV)/lint: $(METADATA) | $(VENV)/made
	$(PIP) -e '.[lint]'
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
