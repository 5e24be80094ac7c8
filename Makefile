PYTHON ?= python3
BIN := .venv/bin
WIDGETS := .venv/share/jupyter/lab/settings
export HF_HUB_OFFLINE := 1
export OMP_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: reproduce record claims test check lab bench sweep notebooks pictures texts

reproduce: .venv/study  ## fetch the models and run the study: live check, clusters, fronts, policies, replay
	$(BIN)/ecollm-lab models fetch || echo "The study goes on without the models, and measures nothing anew."
	$(BIN)/ecollm-lab study --figures figures

record: .venv/dev reproduce  ## renew what is committed of the study: its summary, the tables of the docs, the pictures
	cp figures/summary.json data/benchmarks/study.json
	$(MAKE) claims
	$(MAKE) pictures

claims: .venv/dev  ## renew the figures of the testbed and the paper's claims, and the tables of the docs
	$(BIN)/python -m benchmarks.testbed --json data/benchmarks/testbed.json
	$(BIN)/python -m benchmarks.claims --json build/benchmarks/claims.json --parquet data/benchmarks/claims.parquet
	$(BIN)/python -m benchmarks.tables

test: .venv/dev texts  ## every test, notebooks included, which ask the models
	$(BIN)/ecollm-lab models fetch
	$(BIN)/pytest --numprocesses 2 --dist loadfile
	$(BIN)/pytest -o addopts= --numprocesses 2 --nbmake --nbmake-timeout=300 notebooks

check: .venv/dev  ## format, lint, types, rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: .venv/study texts  ## JupyterLab on the repository, opened at the notebooks
	mkdir -p $(WIDGETS) && echo '{"@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": true}}' > $(WIDGETS)/overrides.json
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks

texts: .venv/study  ## the .ipynb files, which git ignores, from their reviewed texts; outputs stay
	$(BIN)/jupytext --quiet --update --to ipynb notebooks/0*.py

bench: .venv/dev  ## everything with a number, against its competitors (over an hour on two cores)
	$(BIN)/python -m benchmarks.decision --json data/benchmarks/decision.json
	$(BIN)/python -m benchmarks.explorer --json build/benchmarks/explorer.json
	$(BIN)/python -m benchmarks.serve --json data/benchmarks/serve.json
	$(BIN)/python -m benchmarks.drift --json data/benchmarks/drift.json
	$(BIN)/python -m benchmarks.sweep --json build/benchmarks/sweep.json
	$(BIN)/python -m benchmarks.scale --json data/benchmarks/scale.json
	$(BIN)/python -m benchmarks.routing --json build/benchmarks/routing.json --parquet data/benchmarks/routing.parquet
	$(BIN)/python -m benchmarks.payoff
	$(BIN)/python -m benchmarks.emulator --json build/benchmarks/emulator.json --parquet data/benchmarks/emulator.parquet

sweep: .venv/study  ## measure both domains again, all paths; stop and start it as you like
	$(BIN)/ecollm-lab sweep --domain smart_home --space data/space.toml --out data/traces/smart_home.parquet
	$(BIN)/ecollm-lab sweep --domain automotive --space data/space.toml --out data/traces/automotive.parquet

notebooks: .venv/dev  ## run the notebooks and render them to build/notebooks/*.html
	$(BIN)/python -m scripts.notebooks

pictures: .venv/dev  ## photograph the figures of the last `make reproduce` as PNG; needs Chromium
	$(BIN)/python -m benchmarks.payoff
	$(BIN)/python -m scripts.pictures
	$(BIN)/python -m scripts.screenshots

.venv/study: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[edge]'
	touch $@

.venv/dev: .venv/study
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[edge,dev]'
	touch $@
