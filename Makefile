PYTHON ?= .venv/bin/python

.PHONY: help check lint types test recipe

help:  ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/'

check: lint types test  ## everything CI runs

lint:  ## ruff, rules and format
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:  ## mypy, strict
	$(PYTHON) -m mypy

test:  ## all tests that this machine can run
	$(PYTHON) -m pytest

recipe:  ## how the shipped model was made (hours on two cores)
	bash training/runs/mini.sh
