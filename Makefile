# Targets are described by `make help`. Everything runs in .venv, which `make` creates and keeps.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
  "$$p" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
  echo "$$p" && break; done)
BIN := .venv/bin
BUILD := book/_build

# One process computes at a time; give its libraries the cores there are, at most eight.
CORES := $(shell n=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); \
  echo $$(( n > 8 ? 8 : n )))
export OMP_NUM_THREADS ?= $(CORES)
export OPENBLAS_NUM_THREADS ?= $(OMP_NUM_THREADS)
export MKL_NUM_THREADS ?= $(OMP_NUM_THREADS)
export TOKENIZERS_PARALLELISM ?= false
export PYDEVD_DISABLE_FILE_VALIDATION := 1

.PHONY: help set-up book test lint bench mutation package reproduce golden reference serve clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 14

set-up: ## Create .venv and install the pinned packages (only what is stale)
	@.ci/set-up "$(PYTHON)"

book: set-up ## Execute stale chapters, build the pages, print the first page
	@$(BIN)/bbb book build

# The tests reach no network and start from an empty cache of artefacts.
test: export HF_HUB_OFFLINE = 1
test: export BBB_CACHE_DIR = $(CURDIR)/$(BUILD)/cache-test
test: lint ## Everything that must hold; ends with pytest's closing line
	@echo "== unit tests"
	@rm -rf $(BUILD)/cache-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(CORES) --dist loadfile tests
	@echo "== chapters from scratch, and a cold build of the pages"
	@rm -rf $(BUILD)/cache-test
	@$(BIN)/bbb book test-chapters
	@echo "== chapters again, against the golden claims; the built pages"
	@.ci/browser
	@OMP_NUM_THREADS=1 IPYTHONDIR=$(CURDIR)/$(BUILD)/ipython $(BIN)/python -m pytest -q \
	  -n $(CORES) --dist loadfile -p no:cacheprovider --nbval-lax --nbval-cell-timeout 900 \
	  tests/book/press/site_checks.py tests/book/press/browser_checks.py $(BUILD)/nbval

lint: set-up ## Style and types
	@echo "== style and types"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: set-up ## Benchmarks, never part of the tests
	@$(BIN)/python -m pytest -q --benchmark-enable --benchmark-only benchmarks

mutation: set-up ## Change the library a little, time and again; show what no test notices
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mutation.py $(MUTATION)

package: set-up ## Build sdist and wheel, and use the wheel in an empty environment
	@$(BIN)/python .ci/package

reproduce: set-up ## Recompute everything from scratch; report every difference
	@$(BIN)/bbb book reproduce

golden: set-up ## Store the claims of preset ci in tests/golden (review, then commit)
	@$(BIN)/bbb book golden

reference: set-up ## Store claims and artefacts of preset book for `make reproduce`
	@$(BIN)/bbb book reference

serve: book ## Build if stale, then serve the pages on this machine (PORT=8000)
	@$(BIN)/bbb book serve --port $(or $(PORT),8000)

clean: ## Remove build products (keeps .venv and the cache of artefacts)
	@rm -rf book/_build _build .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks
	@find bbb_core benchmarks book tests -name __pycache__ -type d -prune -exec rm -rf {} +
