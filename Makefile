# make help lists the targets. Everything is installed into .venv; PYTHON names the interpreter it is made with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_WORKERS ?= 2
# Two test processes share the cores: more threads in each would only get in each other's way.
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help install demo demo-compact demo-providers prove test check format lint type docs notebooks docs-check clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP)  ## make .venv with everything in it; at once where nothing changed

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 13) else \
	    "ttsd needs Python 3.11 or 3.12, and this is %d.%d; name one: make PYTHON=python3.11 install" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[all,dev]'
	touch $@

demo: install  ## from Markdown to a measured voice, on a CPU; ends with WAVs and a report
	TTSD=$(BIN)/ttsd examples/pipeline.sh

demo-compact: install  ## a compact voice, distilled from the inside of a local one, with the same report
	TTSD=$(BIN)/ttsd examples/pipeline.sh examples/study_guides "" configs/compact_demo.yaml

demo-providers: install  ## the data factory against providers played on this machine; no key, no cost
	TTSD=$(BIN)/ttsd PYTHON=$(BIN)/python examples/providers.sh

prove: install  ## 300 kills and every fault of the provider: no clip lost, none paid twice
	$(BIN)/python -m tests.soak --kills 300

test: check  ## everything continuous integration runs: check, then all tests
	$(THREADS) $(BIN)/pytest -n $(PYTEST_WORKERS) --dist worksteal

check: lint type  ## lint and type

lint: install  ## style, formatting, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

type: install  ## static types
	$(BIN)/mypy

format: install  ## rewrite the files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: install  ## rewrite the generated pages and configs/default.yaml
	$(BIN)/python docs/generate.py

notebooks: install  ## run the notebooks on recordings by a local voice, and write them with their results into docs
	$(BIN)/python docs/render_notebooks.py

docs-check: install  ## fail where a generated page is stale
	$(BIN)/pytest -q tests/test_docs.py

clean:  ## remove the environment and the caches; corpora and checkpoints stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +
