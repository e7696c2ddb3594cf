# One command each. A fresh machine needs Python >= 3.11 with its headers, a C compiler and make; the rest goes into .venv.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PY = $(BIN)/python
TESTS ?= tests
# The tests run on the installed package: what users get, not what lies in the tree.
PYTEST = $(PY) -m pytest
# What `make asan` leaves out: those read sources, or start a browser. And `make asan-short`: where no compiled code runs, or only what
# runs elsewhere too; where processes come and go, their Python origins are what is slow.
UNSANITIZED = tests/guards tests/dashboard
UNSANITIZED_SHORT = tests/access tests/admin tests/bench tests/chaos tests/cli tests/config tests/doctor tests/managed tests/policy tests/probe \
  tests/store tests/why tests/rules/test_oracle.py tests/rules/regex tests/serve tests/inspect/test_sharing.py tests/abuse/live/test_slow.py \
  tests/e2e/test_replacement.py tests/e2e/test_systemd.py tests/e2e/test_health_wiring.py tests/e2e/test_targets.py tests/e2e/test_reload_under_load.py

# How long `make fuzz` looks, all targets together, and how many run at a time.
FUZZ_SECONDS ?= 3600
FUZZ_JOBS ?= 1
FUZZ = PYTHONPATH=build/fuzz-site:. $(PY) -m tests.fuzz.run build/fuzz/fastgw_fuzz

# How long `make soak` runs, and which of its random courses.
SOAK_SECONDS ?= 600
SEED ?= 1

# How long each of the two passes of `make chaos` takes.
CHAOS_SECONDS ?= 120

# What is compiled and what is copied: a change in either is a reason to install again.
SOURCES := $(shell find src cext -type f ! -name '*.so' ! -path '*/__pycache__/*') CMakeLists.txt $(wildcard README.md LICENSE)

.DEFAULT_GOAL := help
.PHONY: help demo test dev build check lint types guards asan asan-short fuzz corpus soak chaos generate bench bench-load bench-load-all budgets bench-lost bench-reload bench-scale bench-exact bench-growth rfc screenshots dist wheel clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-18s%s\n", $$1, $$2}'

demo: build ## from nothing to a real call: echo origin, development CA, gateway, four kinds of calls
	@$(BIN)/fastgw demo

test: build ## build what changed and run all tests (TESTS=tests/wire for a part)
	$(PYTEST) $(TESTS)

build: $(VENV)/.installed ## the package, compiled, in .venv

dev: $(VENV)/.tools ## the package in .venv as links into the tree: editing a .pyx rebuilds it at the next import
	$(PY) -m pip install -q --no-build-isolation --no-deps --config-settings=editable.rebuild=true --config-settings=build-dir=build/edit -e .
	@rm -f $(VENV)/.installed

check: lint types test dist ## everything the automatic checks do, but the sanitizers

lint: $(VENV)/.tools ## ruff, cython-lint, clang-format where it is at hand
	$(BIN)/ruff check src tests cext bench docs
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cython-lint src/fastgw
	@if command -v clang-format >/dev/null; then clang-format --dry-run --Werror $$(grep -L 'cext/gen/' cext/*.[ch]) bench/load/tools/*.[ch]; \
	else echo "clang-format is not installed: the layout of C was not checked"; fi

types: build ## mypy, strict
	$(PY) -m mypy

guards: build ## only the tests that watch the house: floors, nogil, sizes, stubs, generated files
	$(PYTEST) tests/guards

asan: build ## a Debug build with AddressSanitizer and UBSan, and the suite on it (not tests/guards and tests/dashboard)
	$(PY) -m pip install -q --no-build-isolation --no-deps --upgrade --target build/asan-site \
	  --config-settings=cmake.build-type=Debug --config-settings=cmake.define.FASTGW_SANITIZE=ON --config-settings=build-dir=build/asan .
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:$(ASAN_OPTIONS) UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
	PYTHONPATH=build/asan-site $(PYTEST) -p no:cacheprovider -o timeout=240 $(addprefix --ignore=,$(UNSANITIZED)) $(TESTS)

asan-short: UNSANITIZED += $(UNSANITIZED_SHORT)
asan-short: asan ## the same, without what sanitizers have little to say about

fuzz: build/fuzz/.built ## look for inputs that break a promise: FUZZ_SECONDS (3600), FUZZ_JOBS (1)
	$(FUZZ) --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS)

corpus: build/fuzz/.built ## the first inputs of the fuzz targets, and of a run's inputs those that cover more
	$(PY) -m tests.fuzz.seeds
	$(FUZZ) --keep

soak: build ## clients that leave, origins that die, reloads; what leaks or hangs: SOAK_SECONDS (600), SEED (1)
	$(PY) -m tests.soak --seconds $(SOAK_SECONDS) --seed $(SEED)

chaos: build ## origins that restart, die, send GOAWAY; reloads and replacements; is a call lost: CHAOS_SECONDS (120, twice), SEED (1)
	$(PY) -m tests.chaos --seconds $(CHAOS_SECONDS) --seed $(SEED)

generate: build ## write the generated C tables and the pages made from tables again
	@for generator in $$(find cext/gen docs/gen -name '*.py'); do echo $$generator; $(PY) $$generator || exit 1; done

bench: build ## every hot room in one table: nanoseconds per unit, and instructions where valgrind is there (QUICK=1)
	@$(PY) bench/micro/rooms.py $(if $(QUICK),--quick)

bench-load: build ## gateways side by side (PEERS=fastgw,nghttpx WORKLOADS=W1 ROUNDS=5 SEC=1.5)
	@$(PY) -m bench.load.run --peers "$(PEERS)" --workloads "$(or $(WORKLOADS),W1)" --rounds $(or $(ROUNDS),5) \
	  --sec $(or $(SEC),1.5) --note "$(NOTE)"

ALL_PEERS = fastgw,nghttpx,haproxy,nginx,envoy-tuned,caddy
bench-load-all: build ## all workloads and rivals, table and plots (ROUNDS=5 SEC=0.6, LOG=1 with access logs, QUICK=1)
	@mkdir -p bench/results
	@out=bench/results/$$(date +%F-%H%M%S)-all$(if $(LOG),-log).json; \
	$(PY) -m bench.load.run --peers "$(or $(PEERS),$(ALL_PEERS))" \
	  --workloads W1,W1m,W1p,W1k,W2,W3,W4d,W4u,W5,W6f,W6r,W7,W8 --rounds $(if $(QUICK),1,$(or $(ROUNDS),5)) \
	  --sec $(if $(QUICK),0.3,$(or $(SEC),0.6)) --attempts 1 $(if $(LOG),--access-log) --note "$(NOTE)" --out $$out && \
	$(PY) -m bench.load.compare $$out --plot

budgets: build ## instructions per call of each room, held against bench/budgets.json (WRITE=1 writes it anew)
	@$(PY) bench/budgets.py $(if $(WRITE),--write)

bench-lost: build ## calls lost while origins and gateways restart, gateways side by side (GATEWAYS=fastgw,nginx)
	@$(PY) -m bench.lost $(if $(GATEWAYS),--gateways $(GATEWAYS)) --note "$(NOTE)"

bench-reload: build ## 1000 calls/s and a reload every 0.1 s: does a call fail, does anything grow (SECONDS=30 RATE=1000)
	@$(PY) -m bench.reload --seconds $(or $(SECONDS),30) --rate $(or $(RATE),1000)

bench-scale: build ## ten thousand zones: from a store, compile, publish, change, hold and look up
	@$(PY) -m bench.scale

bench-exact: build ## how exactly a rate limit counts under all the load there can be (SECONDS=30)
	@$(PY) -m bench.exact --seconds $(or $(SECONDS),30)

bench-growth: build ## CPU per call as workers, connections, calls, zones, rules, fields grow (SHORT=1, ROUNDS=3, ONLY=zones)
	@$(PY) -m bench.growth $(if $(SHORT),--short) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEC),--sec $(SEC)) \
	  $(if $(ONLY),--only "$(ONLY)") --plot --note "$(NOTE)"

rfc: $(VENV)/.tools ## sections of the RFCs and the tests that stand for them
	$(PY) -m tests.support.rfc

screenshots: build ## pictures of every page of the dashboard, in build/screenshots (needs chromium)
	$(PY) -m tests.dashboard.screenshots

dist: $(VENV)/.tools ## the sdist and a wheel made from it, in dist/
	@rm -rf dist build/dist
	$(PY) -m pip install -q "build>=1.3"
	$(PY) -m build -q --outdir dist -C build-dir="$(abspath build/dist)" .
	@ls -l dist

wheel: dist ## the same, and the wheel in .venv: what follows runs on what users get
	$(PY) -m pip install -q --no-deps --force-reinstall dist/*.whl
	@touch $(VENV)/.installed

clean: ## all that was made here, .venv included
	rm -rf $(VENV) build dist .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name '__pycache__' -prune -exec rm -rf {} + ; find src -name '*.so' -delete

$(PY):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fastgw needs Python 3.11 or newer; say which: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# What is listed in pyproject.toml, all extras too, without the package itself: tools, test partners, run-time libraries.
$(VENV)/.tools: pyproject.toml | $(PY)
	$(PY) -m pip install -q $$($(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	  print(*(r.replace(" ", "") for rows in (p["dependencies"], *p["optional-dependencies"].values()) for r in rows \
	  if not r.startswith(p["name"] + "[")))')
	@touch $@

$(VENV)/.installed: $(VENV)/.tools $(SOURCES)
	$(PY) -m pip install -q --no-build-isolation --no-deps --force-reinstall --config-settings=build-dir=build/venv .
	@touch $@

# clang with libFuzzer; on Debian and its kin it is installed where that is allowed.
build/fuzz/.built: $(VENV)/.tools $(SOURCES) tests/fuzz/driver.c
	@command -v clang >/dev/null && test -e "$$(clang -print-file-name=libclang_rt.fuzzer-$$(uname -m).a)" || \
	  { apt-get update -q && apt-get install -qy --no-install-recommends clang && apt-get install -qy \
	  --no-install-recommends "libclang-rt-$$(clang -dumpversion | cut -d. -f1)-dev"; } || \
	  { echo "fuzzing needs clang and its libFuzzer (libclang-rt-…-dev)"; exit 1; }
	CC=clang $(PY) -m pip install -q --no-build-isolation --no-deps --upgrade --target build/fuzz-site \
	  --config-settings=cmake.build-type=Debug --config-settings=cmake.define.FASTGW_FUZZ=ON --config-settings=build-dir=build/fuzz .
	@touch $@
