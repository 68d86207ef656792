# Everything from a fresh machine: `make demo` and `make test` set up the virtual environment first, once.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# One OpenMP thread a process: spinning threads under contention made eleven steps forty times slower.
export OMP_NUM_THREADS := 1
export OMP_WAIT_POLICY := PASSIVE

# Bytecode is kept even where the environment says otherwise: hundreds of processes begin in the tests, and each would
# compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test simulate mutants soak fuzz setup bench quality clean

setup: $(READY)

# An environment that is there is kept, whichever Python made it: somebody may have put their own torch into it.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "peerd needs Python 3.11, 3.12 or 3.13; none was found on PATH."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@

demo: $(READY)
	@$(BIN)/peerd demo --out demo-out

# Two cores bear three workers: stories of real daemons wait for most of their time.
test: $(READY)
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder

# Whole nodes under every fault, each seed a story: `SEEDS=1 NODES=3 FIRST_SEED=7` tells one.
SEEDS ?= 1000
NODES ?= 2 3 5 8 16
FIRST_SEED ?= 0
simulate: $(READY)
	@PYTHONPATH=.:protocol $(BIN)/python -m tests.simulation --first $(FIRST_SEED) --seeds $(SEEDS) --nodes $(NODES)

# The protocol with one rule taken out, again and again: each must break a promise by name.
mutants: $(READY)
	@PYTHONPATH=.:protocol $(BIN)/python -m tests.mutants

# Real daemons under faults that seeds draw, each in a network namespace where root runs it and nft is there, else on
# loopback; again, it goes on from the next seed. CYCLES=1 with FIRST_SEED plays one again, STEP=7 loses the executor of
# a shared run after its seventh step.
MINUTES ?= 5
soak: $(READY)
	@PYTHONPATH=.:protocol $(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(STEP),--step $(STEP)) \
		$(if $(filter command line,$(origin FIRST_SEED)),--first $(FIRST_SEED)) $(if $(CYCLES),--cycles $(CYCLES))

# Mutated bytes at every door that strangers, peers and old files come through: RUNS at each, earlier ones counted.
RUNS ?= 10000000
fuzz: $(READY)
	@PYTHONPATH=.:protocol $(BIN)/python -m tests.fuzzing --runs $(RUNS)

bench: $(READY)
	@missed=""; for script in tests/benchmarks/*.py; do \
		echo "== $$script"; PYTHONPATH=.:protocol $(BIN)/python $$script || missed="$$missed $$script"; \
	done; test -z "$$missed" || { echo "A goal is missed by:$$missed"; exit 1; }

# What sharing costs: a table and charts in examples/quality/results. Stops after QUALITY_MINUTES; again, it goes on.
QUALITY_MINUTES ?= 38
quality: $(READY)
	PYTHONPATH=.:protocol $(BIN)/python -m examples.quality --minutes $(QUALITY_MINUTES)

clean:
	rm -rf $(VENV) demo-out
