# Every verb sets up what it needs: a fresh clone can begin with any of them.
#
#   make compare   measure the twelve core workloads and print the table
#   make test      every check that CI runs: lint, types, import layers, tests
#   make lint | types | format | clean
#
# PYTHON       the interpreter that .venv is made from (3.11 or newer)
# TORCH_INDEX  a package index to take PyTorch's CPU build from, such as the one on PyTorch's installation page
# ARGS         passed on to `poolbench compare` or to pytest

PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP_INSTALL = $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
SOURCES_TO_COMPILE := CMakeLists.txt $(wildcard poolbench/strided/*.cpp poolbench/strided/*.hpp poolbench/strided/*.h)

.PHONY: compare test lint types format clean prerequisites
.DELETE_ON_ERROR:

compare: $(INSTALLED)
	$(BIN)/poolbench compare $(ARGS)

# pytest comes last, so that its summary is the last line that CI prints.
test: lint types
	$(BIN)/python -m pytest $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(INSTALLED)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find poolbench tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The build requirements go first: the package itself is then built without an isolated environment, which
# would fetch them again, unpinned.
$(INSTALLED): pyproject.toml constraints.txt $(SOURCES_TO_COMPILE) | $(BIN)/pip
	@echo "Installing into $(VENV): a few minutes the first time."
	$(PIP_INSTALL) scikit-build-core nanobind cmake ninja
	$(PIP_INSTALL) --no-build-isolation -e '.[all,dev]'
	@touch $@

$(BIN)/pip: | prerequisites
	$(PYTHON) -m venv $(VENV)

# Each missing piece gets its own sentence; without this, pip and CMake fail with pages of output.
prerequisites:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "poolbench needs Python 3.11 or newer, and there is no '$(PYTHON)' here: install it, or say" \
			"which to use with 'make PYTHON=/path/to/python3'." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "poolbench needs Python 3.11 or newer; '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1): say which to use" \
			"with 'make PYTHON=/path/to/python3.11'." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "poolbench needs Python's venv module, which '$(PYTHON)' lacks: install it (Debian and Ubuntu:" \
			"the package python3-venv)." >&2; exit 1; }
	@"$(PYTHON)" -c 'import os, sys, sysconfig as s; sys.exit(not os.path.exists(os.path.join(s.get_path("include"), "Python.h")))' || { \
		echo "poolbench compiles a small extension and needs Python's headers, which '$(PYTHON)' lacks: install" \
			"them (Debian and Ubuntu: the package python3-dev)." >&2; exit 1; }
	@command -v "$${CXX:-g++}" >/dev/null || command -v clang++ >/dev/null || { \
		echo "poolbench compiles a small extension and needs a C++ compiler, and there is no '$${CXX:-g++}' here:" \
			"install one (Debian and Ubuntu: the package g++), or name yours with CXX." >&2; exit 1; }
