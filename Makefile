# Everything that one types here. `make` alone lists it. Each target sets up what it needs: a Python of at least 3.11 is enough.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SIZE ?= 20000
ARGS ?=
SEEDS ?= 200
FROM ?= 1
# Tests that make a MongoDB fail, or elect, have it for themselves; each process has a stand-in of its own.
AT_ONCE := $(if $(TAXII_FED_TEST_MONGODB),0,2)
# What a laptop can run: no foreign servers, nothing that takes minutes, no long run on MongoDB.
QUICK := not slow and not foreign and not mongodb and not real_mongodb

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

$(READY): pyproject.toml constraints.txt deploy/install.sh
	@echo "setting up $(VENV) ..."
	@deploy/install.sh --dev $(VENV)
	@touch $@

.PHONY: demo
demo: $(READY) ## three nodes in three jurisdictions that federate on this machine, with an account of what went where and why
	@$(BIN)/taxii-fed demo $(ARGS)

.PHONY: test
test: $(READY) ## the tests that run anywhere, in minutes; ARGS goes to pytest
	$(BIN)/pytest -n 2 -m "$(QUICK)" $(ARGS)

.PHONY: test-all
test-all: $(READY) ## every test: foreign servers, long runs; MongoDB where TAXII_FED_TEST_MONGODB names one
	TAXII_FED_HYPOTHESIS=thorough $(BIN)/pytest -n $(AT_ONCE) $(ARGS)

.PHONY: check
check: $(READY) ## format, lint, types, layers, documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -p no:randomly tests/docs

.PHONY: contract
contract: $(READY) ## the suite that every store passes
	$(BIN)/python tools/contract.py $(ARGS)

.PHONY: mongodb
mongodb: $(READY) ## faults, processes and suites of nodes on MongoDB, or its stand-in; TAXII_FED_TEST_MONGODB names a real one
	$(BIN)/pytest -n $(AT_ONCE) tests/mongo $(ARGS)
	$(BIN)/python tools/on_mongodb.py $(ARGS)

.PHONY: check-deploy
check-deploy: $(READY) ## compose file, Kubernetes manifests, workflow and scripts against their schemas
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/kubernetes-validate --strict deploy/kubernetes/*.yaml
	for script in deploy/*.sh deploy/cluster/*.sh; do sh -n "$$script" || exit; done
	bash -n .ci/run
	bash -n .ci/mongodb

.PHONY: conformance
conformance: $(READY) ## TAXII 2.1, requirement by requirement, with a table of what is covered
	$(BIN)/python tools/conformance.py $(ARGS)

.PHONY: scenarios
scenarios: $(READY) ## the worked cases of the sharing rules; FILE=… runs any file of that format
	@$(BIN)/python tests/scenarios/run.py $(FILE) $(ARGS)

.PHONY: simulate
simulate: $(READY) ## federations under random faults; SEEDS=N FROM=SEED, ARGS=--shrink tells failures by their shortest stories
	@PYTHONHASHSEED=0 PYTHONPATH=tests $(BIN)/python -m simulator.simulate --seeds $(SEEDS) --from $(FROM) $(ARGS)

.PHONY: bench
bench: $(READY) ## measure against the budgets; SIZE=1000000 for the long run
	@status=0; $(BIN)/python -m bench --size $(SIZE) $(ARGS) || status=$$?; $(BIN)/python -m bench.stores || status=$$?; exit $$status

.PHONY: bench-stores
bench-stores: $(READY) ## SQLite and MongoDB side by side; TAXII_FED_TEST_MONGODB names a real one
	$(BIN)/python -m bench.stores $(ARGS)

.PHONY: docs
docs: $(READY) ## write the reference pages anew: from the code, and from a run of the rules
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/rules.py

.PHONY: clean
clean: ## take away what the targets made
	rm -rf $(VENV) .foreign .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
