# The two commands of a fresh machine are `make sandbox` and `make test`.
# Everything else here is what they are made of.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export CARGO_TERM_COLOR ?= auto
# Many end-to-end tests wait for retries and time-outs: more of them at once than there are cores. (For cargo's own
# runner; nextest's number is in .config/nextest.toml.)
export RUST_TEST_THREADS ?= 4
# Where there is npm, the test that loads the component in Node must run.
ifneq ($(shell command -v npm),)
export GROUPCAST_REQUIRE_NODE = 1
endif

# What `cargo clippy --all-targets -- -D warnings` does, but as a build: dependencies, which clippy leaves alone, are then
# those of the tests, and need not be checked once more, which takes as long as all tests.
CLIPPY = RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__

# The program, of the same compilation as the tests: of one package alone some dependencies would have other features, and
# be compiled once more.
BUILD = cargo build --locked --workspace --lib --bins

.PHONY: help sandbox console test browser api-test operations soak scale tenants clients lint deny guest-toolchain \
	node-packages postgres registry unit

help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

sandbox: guest-toolchain ## Build everything and do the main job against simulated vendors
	$(BUILD)
	target/debug/groupcast sandbox $(SANDBOX)

console: guest-toolchain ## Build everything and serve the console with simulated vendors behind it
	$(BUILD)
	target/debug/groupcast sandbox --console $(CONSOLE)

# With nextest (cargo-nextest, where it is installed) tests of all rooms run beside each other: most of them wait.
test: guest-toolchain node-packages postgres registry ## Run every test
	@if compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null; then export GROUPCAST_REQUIRE_POSTGRES=1; fi; \
	if [ -x /usr/bin/docker-registry ]; then export GROUPCAST_REQUIRE_REGISTRY=1; fi; \
	if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run --locked --workspace --lib --bins --tests $(TEST); \
	else \
		set -x; cargo test --locked --workspace --lib --bins --tests $(TEST); \
	fi
	cargo test --locked --workspace --doc

browser: guest-toolchain ## Click through the console in headless Chromium; screenshots are in target/screenshots
	@bash .ci/browser
	$(BUILD)
	cd tests/browser && node --test --test-reporter=spec $(BROWSER)

soak: ## Simulated stories of faults and crashes, on and on, until one fails or Ctrl-C
	@from=$${FROM:-1000000}; while true; do \
		GROUPCAST_SEEDS=$$from..$$((from + 20000)) cargo test --quiet --locked --package groupcast-simulation --test schedules -- --nocapture || exit 1; \
		from=$$((from + 20000)); \
	done

scale: guest-toolchain ## 100,000 people and 500,000 memberships: planned, applied and planned again, for both directories
	GROUPCAST_SCALE=all cargo test --locked --package groupcast-tests --test scale largest -- --nocapture

tenants: guest-toolchain ## A thousand tenants on their schedules in one process, and a huge one beside small ones: time and memory
	GROUPCAST_TENANTS=1000 cargo test --locked --package groupcast-tests --test tenants -- --nocapture --test-threads 1

clients: guest-toolchain ## The vendors' own client libraries against the simulators (CLIENTS=word for some)
	$(BUILD)
	@bash tests/simulators/clients/run.sh target/debug/groupcast $(CLIENTS)

api-test: guest-toolchain ## schemathesis against the API (API_TEST=options for it)
	$(BUILD)
	@bash .ci/schemathesis target/debug/groupcast $(API_TEST)

lint: guest-toolchain ## Format, clippy, dependencies
	cargo fmt --all -- --check
	@set -x; $(CLIPPY) cargo build --locked --profile test --workspace --all-targets
	$(MAKE) --no-print-directory deny

operations: ## Alert rules, dashboards, unit and image, by the tools that read them
	@bash .ci/operations

unit: guest-toolchain ## The systemd unit under a systemd of its own, with the program: filters, credentials, a sync
	$(BUILD)
	@bash .ci/unit target/debug/groupcast

deny: ## Licences, sources, bans; advisories too where their database can be reached
	@bash .ci/deny

guest-toolchain: ## Install what builds the guest: rustup's wasm32 target, or Debian's packages
	@bash .ci/guest-toolchain

postgres: ## Install the PostgreSQL server that tests of the store start
	@bash .ci/postgres

registry: ## Install the OCI registry that a test of pulling components starts
	@bash .ci/registry

node-packages: ## Install what runs the component in Node, where there is Node
	@if command -v npm >/dev/null; then \
		cd tests/end-to-end/jco && npm ci --no-audit --no-fund --loglevel=error; \
	else \
		echo "npm is not installed: the test that loads the component in Node will say that it was skipped"; \
	fi
