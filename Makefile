PYTHON ?= .venv/bin/python

.PHONY: help check lint types test client recipe

help:  ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/'

check: lint types test client  ## everything CI runs

lint:  ## ruff, rules and format
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:  ## mypy, strict
	$(PYTHON) -m mypy

test:  ## all tests that this machine can run
	$(PYTHON) -m pytest

client: client-vscode/node_modules  ## the VS Code client: format, lint, types, unit tests; needs Node 20
	cd client-vscode && npm run check && npm test

client-vscode/node_modules: client-vscode/package-lock.json
	cd client-vscode && npm ci --ignore-scripts && touch node_modules

recipe:  ## how the shipped model was made (hours on two cores)
	bash training/runs/mini.sh
