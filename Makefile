# Everything here needs Python >= 3.11 and make; the first command of a fresh checkout sets up .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Extra arguments: make train ARGS='+experiment=smoke', make test ARGS='-k summary'.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install train test lint bench

help:
	@echo "make train   train a GAN on the built-in typefaces   (ARGS='+experiment=smoke seed=1')"
	@echo "make test    run the tests                           (ARGS='-m slow' for the slow ones)"
	@echo "make lint    ruff and pyright"
	@echo "make bench   timings"
	@echo "make install only set up .venv"

train: $(INSTALLED)
	$(BIN)/python -m fontgan.train $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(INSTALLED)
	$(BIN)/python -m pytest tests/benchmarks -m "" -s $(ARGS)

install: $(INSTALLED)

# torch first and alone: the constrained version is settled (the CPU build where pip is pointed at
# one) before anything that depends on torch can ask for another.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "modekeeper needs Python >= 3.11; name one with make PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
