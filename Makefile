# Two commands do all the set-up: `make run` and `make test`. At a terminal they ask before they install system packages;
# `make setup` does not ask.

CARGO ?= cargo

SOAK_SECONDS ?= 600
RELOADS ?= 1000
KILLS ?= 200
BASELINE ?= main
POD_SECONDS ?= 300
FUZZ_GUESTS ?= 10000
GATE ?=
WORK ?= A
SHAPES ?= all

.PHONY: run test setup trouble attack texts pod-attack clients crash languages soak soak-reload fuzz-guests build policies lint bench bench-gate profile-gate shapes shapes-draw instructions runtime-alone package semver ci tools clean

run: tools ## The gateway with the shipped plugins, in front of a stand-in upstream (or the API, with ANTHROPIC_API_KEY).
	$(CARGO) build --workspace --bin witgate --bin witgate-artifacts
	target/debug/witgate-artifacts policies
	target/debug/witgate demo

test: tools ## All tests: units, the host with real guests, the gateway end to end.
	$(CARGO) test --workspace

trouble: tools ## Tests of what operators and plugin authors run into in their first months.
	$(CARGO) test --workspace trouble::

texts: build ## Rewrites tests/it/texts/expected, the texts that operators, authors and clients read.
	UPDATE_EXPECT=1 $(CARGO) test --workspace --test it -- texts::

attack: tools ## Tests of attacks by callers, tenants, plugins, upstreams and web pages.
	$(CARGO) test --workspace attack::

pod-attack: build policies ## The shipped pod under eight attackers, five minutes an attack; POD_SECONDS=10 is shorter.
	python3 tests/pod/run.py target/debug/witgate policies $(POD_SECONDS)

clients: build policies ## The gateway with real clients: both Anthropic SDKs and Claude Code, from the package registries.
	tests/clients/run

crash: build ## The gateway killed 200 times in the middle of traffic and hand-overs; KILLS=10 is shorter, WITGATE_SEED repeats a run.
	WITGATE_KILLS=$(KILLS) $(CARGO) test --workspace crash:: -- --nocapture

languages: build ## Plugins in Python, JavaScript and C, built with tools from the package registries and compared with the one in Rust.
	CARGO=$(CARGO) plugins/languages/build
	$(CARGO) test --workspace languages:: -- --ignored

soak: build ## Ten minutes of mixed traffic with faults against the gateway; SOAK_SECONDS=20 is shorter.
	SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --workspace soak:: -- --nocapture

soak-reload: build ## A thousand changes of plugins and settings under load; RELOADS=100 is shorter.
	RELOADS=$(RELOADS) $(CARGO) test --workspace reload::churn:: -- --nocapture

fuzz-guests: build ## Ten thousand random guests through admission and every hook; FUZZ_GUESTS=1000 is shorter.
	FUZZ_GUESTS=$(FUZZ_GUESTS) $(CARGO) test --workspace fuzz::random_guests -- --nocapture

# Always the whole workspace: another selection of crates would build the dependencies with other features, all of them,
# a second time. tests/one-build makes builds with and without tests agree.
build: tools ## The gateway and the tests.
	$(CARGO) test --workspace --no-run

policies: tools ## Builds the shipped plugins and puts them into policies/.
	$(CARGO) build --workspace --bin witgate-artifacts
	target/debug/witgate-artifacts policies

lint: tools ## Formatting, clippy and documentation with warnings as errors, dependency rules. Covers benches and guests.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --no-deps
	.ci/deny

# Another selection of crates means other features of the dependencies, so it has a folder of its own and takes a while.
runtime-alone: tools ## The plugin host, built and tested without the rest of the workspace.
	$(CARGO) test -p witgate-runtime --target-dir target/alone

package: ## The crates that can be published, as the files that a registry would get: target/package/*.crate.
	$(CARGO) package --no-verify --allow-dirty -p witgate-config-file -p witgate-runtime -p witgate-plugin

# Needs `cargo install cargo-semver-checks`. Before the first release, BASELINE is a commit.
semver: ## Breaking changes in the crates that can be published, compared with BASELINE, a tag or a commit.
	$(CARGO) semver-checks -p witgate-config-file -p witgate-runtime -p witgate-plugin --baseline-rev $(BASELINE)

bench: tools ## Criterion benches, each with its baseline beside it.
	$(CARGO) bench -p witgate-benches

# With the settings that ship, for the gateway and for bare pingora, which takes a while to build.
bench-gate: tools ## The whole process beside bare pingora, nginx and Envoy; GATE="--only A,C --rounds 1" is shorter.
	$(CARGO) build --workspace --profile dist --bin witgate
	$(CARGO) bench --workspace --profile dist --bench gate -- $(GATE)

# Symbols are in the profile that ships; what is missing is perf, and it says how to get it.
profile-gate: tools ## Flat profiles of bare pingora and the gateway side by side, by crate and function, with perf; WORK=C is another work.
	$(CARGO) build --workspace --profile dist --bin witgate
	$(CARGO) bench --workspace --profile dist --bench gate -- --profile $(WORK) $(GATE)

# As many open files as the system lets us have: a stream is two of them.
shapes: tools ## Charts of cost by plugins, body, streams, workers and reloads, in docs/performance; SHAPES=body is one of them.
	$(CARGO) build --workspace --profile dist --bin witgate
	ulimit -n "$$(ulimit -H -n)"; $(CARGO) bench --workspace --profile dist --bench gate -- --shapes $(SHAPES) $(GATE)

shapes-draw: tools ## Draws the charts of docs/performance from their figures once more.
	$(CARGO) bench --workspace --profile dev --bench gate -- --draw

# A profile of its own leaves out what takes long to optimise and is not counted.
instructions: ## Counts the instructions of the hot paths and compares them with the committed figures.
	@.ci/tools valgrind
	$(CARGO) bench -p witgate-benches --profile counted --bench instructions

ci: ## What the continuous integration runs.
	bash .ci/run

setup: ## Installs what the build needs, without asking.
	@WITGATE_SETUP=yes .ci/tools

tools: ## Checks for what the build needs, installs it or says what to run.
	@.ci/tools

clean:
	$(CARGO) clean
	rm -rf .cache policies/*.wasm policies/optional/*.wasm
