# Everything runs in .venv, which the first target that needs it sets up from the pinned versions.
# The pinned versions are tested with 3.11 and work with the next two; PYTHON=... names another one.
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13; do $$each -c '' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
EXPERIMENT ?= quickstart

# Waiting OpenMP threads that spin cost more than half the speed on a busy two-core machine.
export OMP_WAIT_POLICY := PASSIVE

.DEFAULT_GOAL := help
.PHONY: help venv train study test test-fast test-long faults fuzz mutation lint docs report bench bench-gpu memory scaling

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no python3.11, 3.12 or 3.13 found: install one of them, or name it with PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu install its -venv package"; exit 1; }
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

venv: .venv/.installed ## set up .venv from pinned versions

train: venv ## train a car to finish A01 (EXPERIMENT=quickstart)
	$(BIN)/python -m btr_tm +experiment=$(EXPERIMENT)

study: venv ## a small study from sweep to report in some minutes: all six ingredients and none, two seeds each
	$(BIN)/python -m btr_tm -m +experiment=quickstart name=study logger=none profile.total_frames=60000 '+ablation=none,iqn' seed=0,1
	$(BIN)/python -m btr_tm.sweep --status runs/study
	$(BIN)/python -m btr_tm.compare runs/study --out runs/study
	$(BIN)/python -m btr_tm.ablate runs/study --costs

test: venv ## run every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist worksteal -q --durations=10

test-fast: venv ## run the tests that take seconds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist worksteal -q -m "not slow"

fuzz: venv ## damage files in 25,000 ways and what a game sends in 100,000; each must end in a sentence
	OMP_NUM_THREADS=1 $(BIN)/python -X faulthandler -m tests.fuzz.run

mutation: venv ## change the code in small ways and see whether its tests notice (PACKAGE=losses, default: seven)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,mutation]'
	$(BIN)/python tests/mutation/run.py $(PACKAGE)

lint: venv ## check style and types
	$(BIN)/ruff check src tests experiments
	$(BIN)/mypy

docs: venv ## write the pages that are made from the code
	$(BIN)/python -m btr_tm.metrics.page
	$(BIN)/python -m btr_tm.benchmarks.page
	$(BIN)/python -m btr_tm.cli.configuration.page

faults: venv ## kill collectors, learners and every file operation, and fill the disk there, for an hour
	BTR_TM_FAULTS=full OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/run/remote/test_faults.py tests/run/test_file_faults.py

test-long: venv ## run the tests that make test leaves out: Ray clusters, every experiment compiled, SLURM's launcher
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m long

report: venv ## make every table and figure of the experiments from their records
	$(BIN)/python experiments/report.py

bench: venv ## print speeds and memory (JSON=path writes them there too)
	$(BIN)/python -m btr_tm.bench $(if $(JSON),--json $(JSON))

bench-gpu: venv ## the same on CUDA, in less than eight minutes
	$(BIN)/python -m btr_tm.bench --device cuda $(if $(JSON),--json $(JSON))

memory: venv ## check that 10 million frames do not grow the process
	OMP_NUM_THREADS=1 $(BIN)/python -m btr_tm.cli.measuring.process_memory --folder experiments/memory

scaling: venv ## measure speed over cars, batch, image size and processes
	$(BIN)/python -m btr_tm.cli.measuring.scaling_study --folder experiments/scaling
