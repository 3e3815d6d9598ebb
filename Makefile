# Strongroom. `make` alone says what there is. Works with a plain sh, in a tree without .git, and without a HOME.

VENV ?= .venv
PYTHON ?= python3
UV ?= uv

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
HASHED = install --quiet --require-hashes
# A stamp is as old as what it stands for: a second call is instant, and a changed pin installs anew.
RUNTIME = $(VENV)/.runtime.stamp
DEV = $(VENV)/.dev.stamp
TOOLS = $(VENV)/.tools.stamp

# Where Python may not keep what it compiled, each process that a test starts compiles the service anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.PHONY: help setup setup-dev system-packages producers run demo check style types format audit test test-fast test-all coverage mutation bench bench-setup soak dist lock clean

help:
	@echo "make setup      the service in $(VENV), from pinned and hashed packages"
	@echo "make run        set up and serve on http://127.0.0.1:8000, with a Vault of its own"
	@echo "make demo       set up and play a whole day of it, with an upstream of its own"
	@echo ""
	@echo "make setup-dev  what tests and checks need besides, Debian's chromium and redis-server included"
	@echo "make check      lint, format, types, who may import whom, what is declared and used"
	@echo "make audit      look up known weaknesses of the pinned packages (needs a package index that knows them)"
	@echo "make test       check, and the tests of a few minutes, the core of them on PostgreSQL too"
	@echo "                make -j2 test installs and checks beside each other"
	@echo "make test-fast  the pure tests: no server, no browser, under a minute"
	@echo "make producers  Debian's Ruby, PHP, Perl, Node.js and Go, whose forms of a value the long tests try"
	@echo "make test-all   check, and every test, on both databases"
	@echo "make coverage   which branches of the pure core the pure tests go through"
	@echo "make mutation   change the pure core in one place at a time, and count what no test notices"
	@echo "make format     let ruff put the code in order"
	@echo "make bench      measure the service beside its peers: a quarter of an hour, or three to four minutes with QUICK=1"
	@echo "                AGAINST=<commit> measures the service at that commit too, in the same run"
	@echo "make soak       ten minutes of load on a whole installation while one thing after the other breaks; SECONDS=120"
	@echo "make dist       wheel and sdist in dist/"
	@echo "make lock       pin the newest packages anew (needs uv)"
	@echo "make clean      remove what was built; keeps $(VENV), and var/, where the secrets are"
	@echo ""
	@echo "VENV=path puts the environment elsewhere (now: $(VENV)), PYTHON=python3.12 picks the interpreter."

# ---------------------------------------------------------------------------------------------------------------------

setup: $(RUNTIME)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Strongroom needs Python 3.11 or newer; PYTHON=$(PYTHON) is none. Try: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv "$(VENV)" || \
		{ rm -rf "$(VENV)"; echo "$(PYTHON) can't make an environment. On Debian: apt-get install python3-venv" >&2; exit 1; }

# The project itself is installed in place: no copy of the code, and nothing fetched that is not pinned.
$(RUNTIME): requirements/runtime.txt pyproject.toml setup.py | $(BIN)/python
	$(PIP) $(HASHED) -r requirements/runtime.txt
	$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@touch "$@"

$(DEV): requirements/dev.txt $(RUNTIME)
	$(PIP) $(HASHED) -r requirements/runtime.txt -r requirements/dev.txt
	@touch "$@"

$(TOOLS): requirements/tools.txt $(DEV)
	$(PIP) $(HASHED) -r requirements/runtime.txt -r requirements/dev.txt -r requirements/tools.txt
	@touch "$@"

setup-dev: $(DEV) system-packages

# The browser that the tests drive, the Redis that rate limits share, the proxy before two copies of the service. Whatever is there already is left alone.
system-packages:
	@missing=""; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
		missing="chromium"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	command -v nginx >/dev/null || test -x /usr/sbin/nginx || missing="$$missing nginx-light"; \
	for name in curl $(ALSO); do command -v "$$name" >/dev/null || missing="$$missing $$name"; done; \
	test -n "$$missing" || exit 0; \
	cannot() { echo "The tests need:$${missing:+ $$missing}. $$1 Install that by hand, then call make again." >&2; exit 1; }; \
	command -v apt-get >/dev/null || cannot "This is no Debian."; \
	as_root=""; \
	if test "$$(id -u)" != 0; then \
		command -v sudo >/dev/null || cannot "I am not root, and there is no sudo."; \
		as_root="sudo"; \
	fi; \
	echo "Installing Debian's $$missing"; \
	$$as_root apt-get update -qq || cannot "apt-get update failed."; \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null || \
		cannot "apt-get install failed."

# The languages whose forms of a value tests/attacks/test_producers.py tries: hundreds of MiB, so for `test-all` alone.
producers:
	@missing=""; \
	for each in ruby:ruby php:php-cli perl:perl node:nodejs npm:npm go:golang-go; do \
		command -v "$${each%%:*}" >/dev/null || missing="$$missing $${each##*:}"; \
	done; \
	test -z "$$missing" || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null; }

# ---------------------------------------------------------------------------------------------------------------------

run: setup
	exec $(BIN)/strongroom serve

demo: setup
	exec $(BIN)/python demo/main.py

# ---------------------------------------------------------------------------------------------------------------------

check: types style

types: $(DEV)
	$(BIN)/mypy

style: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/deptry .

# Strict: a package that couldn't be looked up is a failure, not a pass.
audit: $(TOOLS)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements/runtime.txt

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: $(DEV)
	$(BIN)/python -m pytest -q --pure -m "not slow" --cov --cov-report=term

# The pure core, changed in one place at a time: a test has to notice. Goes on where it was; about half an hour from nothing.
mutation: $(TOOLS)
	$(BIN)/mutmut run
	@$(BIN)/python -m tests.support.mutation mutants

# What the two databases could differ in: several writers, locks, the order and the cutting of lists.
CORE = tests/db tests/audit/test_record.py tests/idempotency tests/variables tests/workspaces tests/journeys/test_two_copies.py

# What needs no server, no database and no browser: well under a minute.
test-fast: $(DEV)
	$(BIN)/python -m pytest -q --pure -m "not slow"

# Tests wait for processes, disks and pages for half their time: three of them keep two cores busy. Each begins with a
# third of the files in their order, so that a module's fixtures are made once, and takes over what another hasn't come to.
PYTEST = $(BIN)/python -m pytest -n 3 --dist worksteal

test: setup-dev check
	$(PYTEST) -m "not slow"
	$(PYTEST) -m "not slow" --postgresql $(CORE)

# Everything on SQLite, then on PostgreSQL everything that stands on a database (tests/conftest.py names the rest).
test-all: ALSO = npm
test-all: setup-dev producers check coverage
	$(PYTEST)
	$(PYTEST) --postgresql

# ---------------------------------------------------------------------------------------------------------------------

# The peers get environments of their own: mitmproxy pins what the service has newer, LiteLLM what mitmproxy has.
BENCH = $(VENV)-bench
LITELLM = $(VENV)-litellm
# The service alone, as `make setup` leaves it anywhere: what the tests need besides would be loaded, and counted, with it.
MEASURED = $(VENV)-measured

bench-setup: $(DEV) requirements/bench.txt requirements/litellm.txt
	@missing=""; \
	test -x /usr/sbin/nginx || command -v nginx >/dev/null || missing="nginx-light"; \
	command -v wrk >/dev/null || missing="$$missing wrk"; \
	test -z "$$missing" || { apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing >/dev/null; }
	@test -x "$(BENCH)/bin/python" || $(PYTHON) -m venv "$(BENCH)"
	"$(BENCH)/bin/python" -m pip --disable-pip-version-check $(HASHED) -r requirements/bench.txt
	@test -x "$(LITELLM)/bin/python" || $(PYTHON) -m venv "$(LITELLM)"
	"$(LITELLM)/bin/python" -m pip --disable-pip-version-check $(HASHED) -r requirements/litellm.txt
	$(MAKE) setup VENV="$(MEASURED)"

# AGAINST=<commit> is checked out beside, set up by its own `make setup`, and measured in the same run.
bench: bench-setup
	$(BIN)/python -m bench.main --program "$(MEASURED)/bin/strongroom" --peers "$(BENCH)/bin" --litellm "$(LITELLM)/bin" \
		--checkouts "$(VENV)-against" \
		$(if $(QUICK),--quick) $(if $(AGAINST),--against "$(AGAINST)")

# Ten minutes of load, and what starting, ending and judging take.
SECONDS ?= 600

soak: setup-dev
	$(BIN)/python -m soak.main --seconds $(SECONDS)

dist: $(DEV)
	rm -rf build dist
	$(BIN)/python -m build --no-isolation

# Universal: the same pins for every system and every Python from 3.11 on.
COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock:
	$(COMPILE) pyproject.toml requirements/build.in --output-file requirements/runtime.txt
	$(COMPILE) requirements/dev.in --output-file requirements/dev.txt
	$(COMPILE) requirements/tools.in --output-file requirements/tools.txt
	$(COMPILE) requirements/bench.in --output-file requirements/bench.txt
	$(COMPILE) requirements/litellm.in --output-file requirements/litellm.txt
	$(COMPILE) requirements/generators.in --output-file requirements/generators.txt
	$(COMPILE) requirements/httpbin.in --output-file requirements/httpbin.txt
	$(COMPILE) requirements/frameworks.in --output-file requirements/frameworks.txt
	cd tests/contracts/generators && npm install --package-lock-only --omit-lockfile-registry-resolved
	cd tests/attacks/producers/express && npm install --package-lock-only --omit-lockfile-registry-resolved

clean:
	rm -rf build dist mutants *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .schemathesis
	find app tests bench demo deploy soak -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
