# Every target makes .venv first where it is missing: a bare clone needs Python 3.11 or newer and make.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= data/sample
RUN ?= runs/quickstart
PYTEST_OPTIONS ?= --numprocesses 2 --cov --cov-report=term

.PHONY: install quickstart check test test-lowest lint release-check container-steps docs house mutants fuzz mutate-data week gpu clean

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# Stand-in data, a trained run, a sheet of held-out faces and the share of the expressions that a classifier misreads. A second call
# continues where the first was stopped.
quickstart: .venv/installed
	test -d $(DATA)/rafd || $(BIN)/stargan-fw data sample $(DATA)
	$(BIN)/stargan-fw train --datasets celeba,rafd --data $(DATA) --preset quickstart --out $(RUN) --resume
	$(BIN)/stargan-fw sheet $(RUN) --out $(RUN)/sheet.png
	$(BIN)/python benchmarks/expression_error.py $(RUN)

# What a change has to pass, and what .ci/run does.
check: lint test

test: .venv/installed
	$(BIN)/pytest $(PYTEST_OPTIONS)

# Tests with the oldest versions that the lower bounds in pyproject.toml allow: a part of the tests, which uses them all.
LOWEST_TESTS ?= tests/registry tests/core tests/evaluate tests/system/test_cli_options.py tests/system/test_sharing_export.py \
	tests/system/test_sharing_onnx.py tests/plugins/test_huggingface.py tests/plugins/test_trace.py
test-lowest: .venv-lowest/installed
	.venv-lowest/bin/python -m pytest $(LOWEST_TESTS)

.venv-lowest/installed: pyproject.toml
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable '.[dev]'
	touch $@

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Builds sdist and wheel into dist/, and tries them in an empty environment, which downloads PyTorch anew. To see the packages of .venv
# instead: RELEASE="--packages-of .venv/lib/python3.11/site-packages"
release-check: .venv-release/installed
	.venv-release/bin/python benchmarks/release_check.py $(RELEASE)

.venv-release/installed: pyproject.toml
	$(PYTHON) -m venv --clear .venv-release
	.venv-release/bin/pip install --quiet --disable-pip-version-check 'build>=1.2' 'twine>=6.1'
	touch $@

# Takes the steps of the Dockerfile as a script in build/container, if no container engine is at hand; downloads PyTorch anew. To see
# the packages of .venv instead: CONTAINER="--packages-of .venv/lib/python3.11/site-packages"
container-steps:
	$(PYTHON) benchmarks/container_steps.py $(CONTAINER)

# Builds the site into build/site, without network; a warning is an error. "serve" in place of "build" shows it while you write.
DOCS ?= build
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs $(DOCS) --strict

# Draws the picture of the house in CONTRIBUTING.md from the imports, and lists all messages of errors in docs/errors.md; tests say when
# either is stale.
house: .venv/installed
	$(BIN)/python docs/draw_house.py
	$(BIN)/python docs/list_errors.py

# Changes the files of [tool.mutants] in many small ways, and lists the changes that no test catches.
mutants: .venv/installed
	$(BIN)/python benchmarks/mutants.py $(FILES)

# Feeds changed files and texts to everything that reads what comes from outside; FUZZ are options such as --parser edits.
MINUTES ?= 30
fuzz: .venv/installed
	$(BIN)/python benchmarks/fuzz.py --minutes $(MINUTES) $(FUZZ)

# Writes 1,000 tables, lists, folders and well-known datasets as people have them, and fails if a label is read that they do not mean.
mutate-data: .venv/installed
	$(BIN)/python benchmarks/mutate_data.py

# Trains for many tiny steps, and fails if memory, descriptors, threads or log files grow without end.
STEPS ?= 20000
INTERVAL ?= 20
week: .venv/installed
	$(BIN)/python benchmarks/week.py --steps $(STEPS) --interval $(INTERVAL)

# Settles in at most nine minutes what a GPU does: tests, ways to train, speed, memory. docs/performance_gpu.md is made of gpu/gpu.json.
# `python3 benchmarks/gpu.py` does the same without a virtual environment, with the PyTorch of the machine.
gpu: .venv/installed
	$(BIN)/python benchmarks/gpu.py --out gpu $(GPU)

clean:
	rm -rf .venv .venv-lowest .venv-release build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
