PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE := 1
export OMP_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: reproduce test check lab bench sweep notebooks pictures

reproduce: .venv/study  ## the whole study: live check, clusters, fronts, policies, replay, figures/
	$(BIN)/ecollm-lab study

test: .venv/dev  ## every test, notebooks included
	$(BIN)/pytest
	$(BIN)/pytest -o addopts= --nbmake --nbmake-timeout=300 notebooks

check: .venv/dev  ## format, lint, types, rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: .venv/study  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

bench: .venv/dev  ## everything with a number, against its competitors (over an hour on two cores; the Emulator goes on from its records)
	$(BIN)/python -m benchmarks.decision --json build/benchmarks/decision.json
	$(BIN)/python -m benchmarks.explorer --json build/benchmarks/explorer.json
	$(BIN)/python -m benchmarks.sweep --json build/benchmarks/sweep.json
	$(BIN)/python -m benchmarks.testbed --json data/benchmarks/testbed.json
	$(BIN)/python -m benchmarks.routing --json build/benchmarks/routing.json --parquet data/benchmarks/routing.parquet
	$(BIN)/python -m benchmarks.emulator --json build/benchmarks/emulator.json --parquet data/benchmarks/emulator.parquet

sweep: .venv/study  ## measure both domains again, all paths; stop and start it as you like
	$(BIN)/ecollm-lab sweep --domain smart_home --out data/traces/smart_home.parquet
	$(BIN)/ecollm-lab sweep --domain automotive --out data/traces/automotive.parquet

notebooks: .venv/dev  ## pair the .ipynb files with their reviewed text, execute all, render them to build/notebooks/*.html
	$(BIN)/python -m scripts.notebooks

pictures: reproduce  ## the figures as PNG; needs Chromium
	$(BIN)/python -m scripts.pictures
	$(BIN)/python -m scripts.screenshots

.venv/study: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[edge]'
	touch $@

.venv/dev: .venv/study
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[edge,dev]'
	touch $@
