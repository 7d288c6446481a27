# make demo and make test do everything, on a machine that has nothing but Python; the rest are their parts.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo demo-loop test unit component test-pipelines test-airflow e2e soak bench-engine bench-judges bench-queries lint generate check-generated lock cluster cluster-build cluster-down cluster-shell clean

export PYTHONPATH := operator:tests:.
export PYTHONDONTWRITEBYTECODE := 1
# The environment is looked up when a recipe runs, so that `make help` needs nothing.
IN_ENV = set -eu; bin="$$(.ci/environment)/bin"; PATH="$$bin:$$PATH";
NAME ?= steersman
IMAGE ?= operator

help: ## Say what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

demo: ## Roll a real model out by weights and watch a bad one roll back, live
	@$(IN_ENV) exec python -m demo $(DEMO)

demo-loop: ## Let a model drift, be retrained, pass its gates and be rolled out, live and without a person
	@$(IN_ENV) exec python -m loop $(DEMO)

test: ## All tests: unit, component, end to end
	@$(IN_ENV) exec python -m pytest $(PYTEST) tests/unit tests/component tests/e2e

unit: ## Tests that need nothing running (seconds)
	@$(IN_ENV) exec python -m pytest $(PYTEST) tests/unit

component: ## Tests against a real API server, MLflow and Prometheus
	@$(IN_ENV) exec python -m pytest $(PYTEST) tests/component

test-pipelines: ## The part of these that runs the example pipelines by their tools (docs/pipelines.md)
	@$(IN_ENV) exec python -m pytest $(PYTEST) tests/component/pipelines

test-airflow: ## What needs Airflow, whose packages alone take minutes: no part of make test
	@$(IN_ENV) STEERSMAN_AIRFLOW=1 exec python -m pytest $(PYTEST) tests/component/adapters/test_real_airflow.py tests/component/pipelines/test_chains.py -k airflow

e2e: ## Tests on a real cluster with the built image and the Helm chart
	@$(IN_ENV) exec python -m pytest $(PYTEST) tests/e2e

soak: ## Half an hour of load while versions come and go and the operator is killed: nothing may be lost
	@$(IN_ENV) exec python -m soak $(SOAK)

bench-engine: ## What the rollout engine costs, against its targets (BENCH=--quick; docs/benchmarks.md)
	@$(IN_ENV) exec python -m benchmarks.engine $(BENCH)

bench-judges: ## How often each judge is wrong, and what a bad version costs (docs/benchmarks.md)
	@$(IN_ENV) exec python -m benchmarks.judges $(BENCH)

bench-queries: ## What the analyses of a thousand rollouts ask of Prometheus (docs/benchmarks.md)
	@$(IN_ENV) exec python -m benchmarks.queries

lint: ## Style, types and layers
	@$(IN_ENV) ruff check .; ruff format --check .; mypy; MYPYPATH=operator:tests mypy -p cluster; lint-imports

generate: ## Write the CRDs, the chart's schema and the reference anew
	@$(IN_ENV) python -m steersman.api.crds; python helm/generate.py; python docs/reference/generate.py; python examples/gitops/argocd/generate.py; \
	  python -m typer steersman.cli.main utils docs --name steersman --title 'The steersman command' --output docs/reference/cli.md

check-generated: ## Fail when a generated file is not what its generator writes
	@$(IN_ENV) python -m steersman.api.crds --check; python helm/generate.py --check; python docs/reference/generate.py --check; \
	  python examples/gitops/argocd/generate.py --check

lock: ## Resolve the dependencies anew (needs uv)
	@for set in "operator:--extra cloudwatch" "dev:--group test --group lint"; do \
	  uv pip compile pyproject.toml $${set#*:} --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/$${set%%:*}.lock; done
	@for set in server:server pipelines:pipelines/tools airflow:pipelines/airflow; do \
	  uv pip compile --group $${set%%:*} --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/$${set#*:}.lock; done

cluster: ## Start a cluster and leave it running (NAME=steersman)
	@$(IN_ENV) exec python -m cluster up --name $(NAME)

cluster-build: ## Build an image of the project and load it into a cluster (NAME=steersman IMAGE=operator)
	@$(IN_ENV) exec python -m cluster build --name $(NAME) $(IMAGE)

cluster-down: ## Stop it and remove everything it left
	@$(IN_ENV) exec python -m cluster down --name $(NAME)

cluster-shell: ## A shell with kubectl and helm set up for it
	@$(IN_ENV) exec python -m cluster shell --name $(NAME)

clean: ## Remove what was made in this checkout; the cache stays
	@rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-report.* loop-report.*
