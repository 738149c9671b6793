# How the project is set up, run and checked.

# The Python for the environment: `make test PYTHON=python3.13` creates it again with another one.
PYTHON = python3
# The branch coverage by the fast tests, in percent, below which `make coverage` fails.
COVERAGE = 93
# `make lock UPGRADE=--upgrade` takes the newest release of everything; without it only what must change does.
UPGRADE =

VENV = .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Flags for `python -m venv`: `--upgrade-deps` uses the newest pip instead of the one that comes with Python.
VENV_FLAGS =
# Stamps in the environment: it exists, it can run the exporter, it can run the checks.
MADE = $(VENV)/.made-with-$(subst /,-,$(PYTHON))
RUNTIME = $(MADE)-for-running
DEV = $(MADE)-for-checking

# A free worker gets the next test, or the next group of tests that share something costly. Of all tests, some wait, so that
# there may be two workers more than cores; of the fast ones, few do.
CORES = $(shell $(PYTHON) -c 'import os; print(os.cpu_count())')
PARALLEL = --dist=loadgroup --numprocesses=$(shell expr $(CORES) + 2)
FAST = --dist=loadgroup --numprocesses=$(CORES) -m "not slow"

# Only of the fast tests: the slow ones pass most lines, whether they check them or not.
COVER = --cov --cov-report=term --cov-fail-under=$(COVERAGE)
# `make test MEASURE=yes` does in one run what `make test` and `make coverage` do.
MEASURE =

READERS = build/readers
GO = CGO_ENABLED=0 GOBIN=$(CURDIR)/$(READERS) go

KUBERNETES = build/kubernetes
# The release of tools/kubernetes/go.mod: what is built must say its version, or Helm takes it for an older one than the chart needs.
KUBERNETES_VERSION = $(shell sed -n 's/^require k8s.io\/kubernetes v//p' tools/kubernetes/go.mod)
KUBERNETES_STAMP = $(foreach package,component-base/version client-go/pkg/version,\
	-X k8s.io/$(package).gitVersion=v$(KUBERNETES_VERSION) \
	-X k8s.io/$(package).gitMajor=$(word 1,$(subst ., ,$(KUBERNETES_VERSION))) \
	-X k8s.io/$(package).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES_VERSION))))
# The definitions of what the chart makes beside Kubernetes' own, as their authors publish them.
PROMETHEUS_OPERATOR = github.com/prometheus-operator/prometheus-operator@v0.94.0
GATEWAY_API = sigs.k8s.io/gateway-api@v1.4.1
GRAFANA_OPERATOR = github.com/grafana/grafana-operator/v5@v5.18.0
AUTOSCALER = k8s.io/autoscaler/vertical-pod-autoscaler@v1.8.1
CRDS = $(foreach kind,podmonitors prometheusrules servicemonitors,\
	$(PROMETHEUS_OPERATOR)/example/prometheus-operator-crd/monitoring.coreos.com_$(kind).yaml) \
	$(GATEWAY_API)/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml \
	$(GRAFANA_OPERATOR)/config/crd/bases/grafana.integreatly.org_grafanadashboards.yaml \
	$(AUTOSCALER)/deploy/vpa-v1-crd-gen.yaml

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links $(UPGRADE)

# The tests start the exporter a hundred times; compiling its modules each time would take longer than loading them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo check test coverage test-busy lint mutants bench arm dashboards promtool readers rules crds kubernetes test-kubernetes screenshots dist sbom docs catalog-news chart lock clean

help: ## Print the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

demo: $(RUNTIME) ## Serve against the embedded simulator: no AWS account needed
	$(BIN)/aws-job-exporter demo

check: lint ## Lint, then run the fast tests: the loop while you work
	$(BIN)/pytest $(FAST)

test: lint ## Lint, then run all tests
	$(BIN)/pytest $(PARALLEL) -m slow --durations=25
	$(BIN)/pytest $(FAST) $(if $(MEASURE),$(COVER))

coverage: lint ## Lint, then measure which branches the fast tests reach
	$(BIN)/pytest $(FAST) $(COVER)

test-busy: $(DEV) ## Run the tests next to eight endless loops, to find those that need a fast machine
	$(BIN)/python tools/busy.py --loops 8 -- $(BIN)/pytest $(PARALLEL) --numprocesses=8

lint: $(DEV) ## Check style, format and types, the Dockerfile and the workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/zizmor --offline --quiet --persona pedantic --collect=all .

mutants: $(DEV) ## Change the code that decides, one thing at a time: tests must fail; takes long
	$(BIN)/python -m tools.mutants

bench: $(DEV) ## Measure the exporter and its alternatives, in 25 to 50 minutes
	$(BIN)/python -m tests.benchmarks build/bench.json

dashboards: $(DEV) ## Write the files of the Grafana dashboards
	$(BIN)/python -m config.grafana

dist: $(DEV) ## Build the wheel and the sdist in dist/
	rm -rf dist
	$(BIN)/python -m hatchling build

sbom: $(DEV) ## Write the bill of materials of the shipped packages to build/sbom.cdx.json
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o build/sbom.cdx.json requirements.txt

readers: ## Build programs that read metrics into build/readers, for tests/readers: needs Go, takes long
	mkdir -p $(READERS)
	$(GO) install -tags remove_all_sd github.com/prometheus/prometheus/cmd/prometheus@v0.316.0
	mv $(READERS)/prometheus $(READERS)/prometheus-3
	$(GO) install github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent@v1.148.0
	$(GO) install -tags custom,inputs.prometheus,outputs.file,serializers.json github.com/influxdata/telegraf/cmd/telegraf@v1.37.2
	cp -R tools/collector $(READERS) # the rest of go.mod is written beside the copy
	cd $(READERS)/collector && $(GO) build -mod=mod -tags remove_all_sd -o ../otelcol-contrib .
	$(PYTHON) -m venv $(READERS)/datadog
	$(READERS)/datadog/bin/pip install --quiet datadog-checks-base==38.7.0 binary cachetools certifi cryptography jellyfish \
		lazy-loader prometheus-client protobuf pydantic python-dateutil pyyaml requests requests-toolbelt requests-unixsocket2 \
		simplejson urllib3 wrapt

# What the image of the other machine needs, without that machine; the Python is that of the image.
arm: $(DEV) ## Check that every shipped package has a wheel for arm64, without building anything
	rm -rf build/arm
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps \
		--platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 \
		--python-version $(shell sed -n 's/^ARG BUILDER=.*python:\([0-9.]*\)-.*/\1/p' Dockerfile) --dest build/arm -r requirements.txt

promtool: ## Build the promtool of Prometheus 3 into build/readers, for `make rules`: needs Go and the network
	mkdir -p $(READERS)
	$(GO) install github.com/prometheus/prometheus/cmd/promtool@v0.316.0
	mv $(READERS)/promtool $(READERS)/promtool-3

rules: ## Check and test the rules with each promtool there is: that of the PATH, and that of `make promtool`
	@set -e; for promtool in $$(command -v promtool) $(wildcard $(CURDIR)/$(READERS)/promtool-3); do \
		found=yes; echo "$$promtool"; \
		$$promtool check rules config/prometheus/rules/*.yml; \
		$$promtool test rules config/prometheus/tests/*.yml; \
	done; test -n "$$found" || { echo 'error: there is no promtool: install prometheus, or run make promtool' >&2; exit 1; }

crds: ## Fetch the definitions of the custom resources into build/kubernetes/crds, for tests/helm: needs Go and the network
	mkdir -p $(KUBERNETES)/crds
	go mod download $(PROMETHEUS_OPERATOR) $(GATEWAY_API) $(GRAFANA_OPERATOR) $(AUTOSCALER)
	cd "$$(go env GOMODCACHE)" && install -m 644 $(CRDS) $(CURDIR)/$(KUBERNETES)/crds

kubernetes: crds ## Build etcd and Kubernetes' own servers into build/kubernetes, for tests/helm: needs Go, takes long
	cp tools/kubernetes/go.mod $(KUBERNETES) # the rest of it is written beside the copy
	cd $(KUBERNETES) && $(foreach program,\
		k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager go.etcd.io/etcd/server/v3,\
		CGO_ENABLED=0 go build -mod=mod -ldflags '-s -w $(strip $(KUBERNETES_STAMP))' \
		-o $(if $(findstring etcd,$(program)),etcd,$(notdir $(program))) $(program) &&) true

test-kubernetes: $(DEV) ## Install the chart through a real Kubernetes API: needs `make kubernetes`, or its programs on the PATH and `make crds`
	$(BIN)/pytest tests/helm/test_custom_resources.py tests/helm/test_kubernetes.py

screenshots: $(DEV) ## Take screenshots of the demo's pages: needs Debian's chromium
	$(BIN)/python -m tools.screenshots docs/images

docs: $(DEV) ## Write the tables of metrics, settings, kinds, faults and causes in docs/, of values in helm/README.md, of what reads each metric
	$(BIN)/python -m tools.readership
	$(BIN)/python -m tools.metrics_page
	$(BIN)/python -m tools.settings_page
	$(BIN)/python -m tools.catalog_page
	$(BIN)/python -m tools.fault_page
	$(BIN)/python -m tools.advice_page
	$(BIN)/python helm/document.py

catalog-news: $(DEV) ## Print what the newest botocore has that the catalog does not know yet
	rm -rf build/newest
	$(INSTALL) --no-deps --target build/newest botocore
	$(BIN)/python -m tools.catalog_news build/newest

chart: $(DEV) ## Package the Helm chart into build/
	PATH="$(CURDIR)/$(BIN):$$PATH" helm package helm --destination build

lock: $(DEV) ## Update the lock files from pyproject.toml
	$(COMPILE) --group installer -o requirements-installer.txt
	$(COMPILE) --group dev pyproject.toml -o requirements-dev.txt
	$(COMPILE) --constraint requirements-dev.txt pyproject.toml -o requirements.txt
	$(COMPILE) --constraint requirements-dev.txt --group build -o requirements-build.txt

clean: ## Remove the environment and everything that tools leave behind
	rm -rf $(VENV) .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +

$(RUNTIME): requirements-build.txt requirements.txt
$(DEV): requirements-dev.txt
# Python's pip may be too old to read the lock files: before 23.3 it does not recognize the pin of a package if another
# package requires the same one with an extra. So a pinned pip is installed first.
$(RUNTIME) $(DEV): requirements-installer.txt pyproject.toml | $(MADE)
	$(INSTALL) --only-binary :all: --require-hashes -r $<
	$(INSTALL) --only-binary :all: --require-hashes $(patsubst %,-r %,$(filter-out $<,$(filter %.txt,$^)))
	$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

$(MADE):
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'error: $(PYTHON) must be Python 3.11 or newer with venv: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV_FLAGS) $(VENV)
	@touch $@
