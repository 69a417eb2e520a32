# Everything runs in .venv, which is made on demand. `make demo` and `make test` are all one needs.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
DEMO_DB := demo/results.db

.PHONY: demo test lint format bench clean

demo: .venv/.demo
	$(BIN)/python benchmarks/demo.py

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 -q

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv build dist demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
