# Two targets matter: `make demo` runs the image tutorial, `make test` passes everything CI asks for.
# The environment is built once from requirements.lock into .venv; nothing is installed outside it.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEMO   := $(VENV)/.demo-ready

# Real object stores, each in an environment of its own (tests/stores). Those that pip installs are
# part of `make test`, which fails without them; the others need Go.
STORES    := $(VENV)/stores
WANTED    := swift swift-old seaweedfs rclone
MINIO     := github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
VERSITYGW := github.com/versity/versitygw/cmd/versitygw@v1.8.0

# Servers that the tests start would compile the whole library anew each time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-stores lint types imports sizes proto-check tests bench bench-store lock clean

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

# One at a time is mostly waiting for downloads and unpacking, and `make -j` does them side by side.
$(STORES)/%/.ready: tests/stores/requirements/%.lock | $(READY)
	@test -x $(@D)/bin/python || $(PYTHON) -m venv --without-pip $(@D)
	$(BIN)/python -m pip --disable-pip-version-check --python $(@D)/bin/python install --quiet --no-deps --only-binary :all: --require-hashes -r $<
	@touch $@

$(STORES)/%/bin/go.ready:
	@if command -v go >/dev/null 2>&1; then mkdir -p $(@D) && echo "go install $(SOURCE)" && \
	  GOBIN=$(abspath $(@D)) go install $(SOURCE) && touch $@; \
	  else echo "no go on this machine: the tests of $* will be skipped"; fi
$(STORES)/minio/bin/go.ready: SOURCE := $(MINIO)
$(STORES)/versitygw/bin/go.ready: SOURCE := $(VERSITYGW)

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

tests: export DASSIE_TEST_STORES = swift,swift-old,seaweedfs,rclone
tests: $(READY) $(WANTED:%=$(STORES)/%/.ready)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-stores: export DASSIE_TEST_STORES = swift,swift-old,seaweedfs,rclone
test-stores: export DASSIE_TEST_MATRIX = full
test-stores: $(READY) $(WANTED:%=$(STORES)/%/.ready) $(STORES)/minio/bin/go.ready $(STORES)/versitygw/bin/go.ready
	$(BIN)/python -m pytest -m stores   ## every test that runs on a real store, on all that can be had

bench: $(READY)          ## the rows of docs/performance.md; prints ratios against peers run in the same minutes
	$(BIN)/python benchmarks/run.py

bench-store: $(READY) $(STORES)/seaweedfs/.ready $(STORES)/rclone/.ready   ## the same files by rclone copy, on one store
	$(BIN)/python benchmarks/store.py

lock: $(READY)           ## after changing dependencies in pyproject.toml
	$(BIN)/python scripts/lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
