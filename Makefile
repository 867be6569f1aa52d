PYTHON ?= .venv/bin/python

.PHONY: help check lint types test client vscode recipe soak mutations

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

vscode: client-vscode/node_modules  ## all of the VS Code client's suites, those in code-server under Chromium too (minutes)
	cd client-vscode && npm run test:all

client-vscode/node_modules: client-vscode/package-lock.json
	cd client-vscode && npm ci --ignore-scripts && touch node_modules

recipe:  ## how the shipped model was made (hours on two cores)
	bash training/runs/mini.sh

soak:  ## 20,000 rewrites and 2,000 cancels in one language server: memory, handles, threads (hours)
	$(PYTHON) benchmarks/soak.py --rewrites 20000 --cancels 2000 --plot soak.png

mutations:  ## takes protections away one by one and shows that a test fails for each (minutes)
	$(PYTHON) benchmarks/mutations.py
