# Everything runs from a fresh clone: make builds .venv from requirements.lock first, and again when that changes.
#   PY=python3.12    the interpreter behind .venv, 3.11 or newer
#   ACCEL=cuda13     an accelerator's JAX as well: cuda12, cuda13 or tpu

PY ?= python3
ACCEL ?=

BIN := .venv/bin
RUN := $(BIN)/python
STAMP := .venv/.installed$(if $(ACCEL),-$(ACCEL))

export MPLBACKEND := Agg
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Modules are compiled once and kept: without, every process compiles those of JAX, pandas and Sphinx anew, for some four seconds.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install check format test smoke reproduce figures docs site paper paper-tools clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Build .venv; with ACCEL=cuda13 (or cuda12, tpu), for that accelerator

check: $(STAMP) ## Check format, lint, types and the rules of the house
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy vgtheory
	@$(RUN) -m pytest -q tests/test_house.py

format: $(STAMP) ## Rewrite the sources in the one format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

# Two processes already; LAPACK's own threads would wait for each other.
test site: export OPENBLAS_NUM_THREADS := 1
test: $(STAMP) ## Run the tests, all but the slow ones and those for an accelerator
	@$(RUN) -m pytest -n 2 --dist loadfile

# Each cell takes about one core: a second process comes from the other end, and each waits for the other's cells. BLAS would take both.
smoke reproduce: export OPENBLAS_NUM_THREADS := 1
smoke: $(STAMP) ## Run every experiment, figure and the report in small, into build/smoke
	@$(RUN) -m experiments all --smoke --backwards --out build/smoke/results >/dev/null & other=$$!; \
	  $(RUN) -m experiments all --smoke --out build/smoke/results; status=$$?; wait $$other && exit $$status
	@$(RUN) -m experiments report --draw --results build/smoke/results --figures build/smoke/figures --out build/smoke/report --paper build/smoke/paper

reproduce: $(STAMP) ## Run every experiment in full, but for the long ones, then the figures and the report
	@$(RUN) -m experiments all --backwards --out build/results >/dev/null & other=$$!; \
	  $(RUN) -m experiments all --out build/results; status=$$?; wait $$other && exit $$status
	@$(RUN) -m experiments report --draw --results build/results

figures: $(STAMP) ## Draw the figures and the report from the committed results
	@$(RUN) -m figures
	@cp figures/out/cover.png docs/hero.png
	@$(RUN) -m experiments.report.claims
	@$(RUN) -m experiments report

docs: $(STAMP) ## Build the site into docs/_build/html, from the committed results and the figures; a warning is an error
	@$(RUN) -m figures --svg
	@$(RUN) -m sphinx --quiet --fail-on-warning --keep-going -j 2 docs docs/_build/html
	@echo "open docs/_build/html/index.html"

site: $(STAMP) ## Test the site: the code on its pages, and the built pages in Chromium (after make docs; CHROMIUM=path names another)
	@$(RUN) -m pytest -m "site and not slow" -n 2 --dist loadfile tests/docs

paper: paper-tools figures ## Build and check paper/build/main.pdf and supplement.pdf (needs LaTeX)
	@paper/build.sh

# First, so that a missing LaTeX is said at once and not after the figures.
paper-tools:
	@paper/build.sh --check

clean: ## Remove what was built, and .venv; committed results stay
	@rm -rf .venv build report figures/out docs/_build docs/reference docs/figures docs/gallery docs/claims paper/build paper/generated .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml requirements.lock
	@$(PY) -c 'import sys; sys.exit("make: expected Python 3.11 or newer, got " + sys.version.split()[0] + ". Name another: make PY=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Installing into .venv from requirements.lock"
	@$(PY) -m venv .venv
	@$(RUN) -m pip install --quiet "uv>=0.9,<1"
	@$(BIN)/uv pip install --quiet --python $(RUN) --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(RUN) --no-deps -e .
	@touch $@

# The plugin must be of the very version of the locked jax.
.venv/.installed-%: .venv/.installed
	@echo "Adding jax[$*] to .venv"
	@$(BIN)/uv pip install --quiet --python $(RUN) \
	  "jax[$*]==$$($(RUN) -c 'from importlib.metadata import version; print(version("jax"))')"
	@touch $@
