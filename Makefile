# Every target makes .venv first where it is missing: a bare clone needs Python 3.11 or newer, make and a C compiler.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= data/sample
RUN ?= runs/quickstart
PYTEST_OPTIONS ?= --numprocesses 2 --cov --cov-report=term

.PHONY: install quickstart test lint house clean

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[sample,faces,dev]'
	touch $@

# Stand-in data, a trained run, a sheet of held-out faces and the share of expressions that are not read. A second call
# continues where the first was stopped.
quickstart: .venv/installed
	test -d $(DATA)/rafd || $(BIN)/stargan-fw data sample $(DATA)
	$(BIN)/stargan-fw train --datasets celeba,rafd --data $(DATA) --preset quickstart --out $(RUN) \
		$$(test ! -f $(RUN)/config.toml || echo --resume)
	$(BIN)/stargan-fw sheet $(RUN) --out $(RUN)/sheet.png
	$(BIN)/python benchmarks/expression_error.py $(RUN)

test: .venv/installed
	$(BIN)/pytest $(PYTEST_OPTIONS)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Draws the picture of the house in CONTRIBUTING.md from the imports; a test says when it is stale.
house: .venv/installed
	$(BIN)/python docs/draw_house.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
