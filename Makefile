# Two targets matter: `make demo` runs the image tutorial, `make test` passes everything CI asks for.
# The environment is built once from requirements.lock into .venv; nothing is installed outside it.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEMO   := $(VENV)/.demo-ready

# Servers that the tests start would compile the whole library anew each time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint types imports sizes proto-check tests bench lock clean

demo: $(DEMO)            ## the image tutorial on real photographs; KEEP=1 leaves the server running
	@$(BIN)/python examples/images/demo.py $(if $(KEEP),--keep)

test: lint types imports sizes proto-check tests   ## everything CI asks for

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Dassie needs Python 3.11 or newer: make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(DEMO): $(READY) examples/images/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r examples/images/requirements.lock
	@touch $@

lint: $(READY)
	$(BIN)/ruff format --check src tests scripts benchmarks examples
	$(BIN)/ruff check src tests scripts benchmarks examples

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

sizes: $(READY)
	$(BIN)/python scripts/check-sizes

proto-check: $(READY)
	$(BIN)/python scripts/generate-proto --check

tests: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(READY)          ## the rows of docs/performance.md; prints ratios against peers run in the same minutes
	$(BIN)/python benchmarks/run.py

lock: $(READY)           ## after changing dependencies in pyproject.toml
	$(BIN)/python scripts/lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
