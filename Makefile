# Two commands do all the set-up: `make run` and `make test`.

CARGO ?= cargo

.PHONY: run test clients policies lint fmt bench ci tools clean

run: policies ## The gateway with the shipped plugins, in front of a stand-in upstream (or the API, with ANTHROPIC_API_KEY).
	$(CARGO) run -p witgate -- demo

test: tools ## All tests: units, the host with real guests, the gateway end to end.
	$(CARGO) test --workspace

clients: tools policies ## The gateway with real clients: both Anthropic SDKs and Claude Code, from the package registries.
	$(CARGO) build -p witgate
	tests/clients/run

policies: tools ## Builds the shipped plugins and puts them into policies/.
	$(CARGO) run -q -p witgate-artifacts -- policies

lint: tools ## Formatting, clippy with warnings as errors, dependency rules. Covers benches and guests.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	.ci/deny

bench: tools ## Criterion benches, each with its baseline beside it.
	$(CARGO) bench -p witgate-benches

ci: ## What the continuous integration runs.
	bash .ci/run

tools: ## Checks for what the build needs, installs it or says what to run.
	@.ci/tools

clean:
	$(CARGO) clean
	rm -rf .cache policies/*.wasm
