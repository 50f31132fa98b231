# The two commands are `make run` and `make test`; the rest is for developers. `make help` lists them.
SHELL := bash
PORT ?= 8080
export PATH := $(CURDIR)/.venv/bin:$(PATH)
.PHONY: help run test unit golden fuzz sanitize bench compare format lint web docs clean
help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## install, build, get the default model, serve on http://127.0.0.1:8080 (DETACH=1: in the background)
	@tools/setup.sh core web
	@$(MAKE) -s web
	@tools/build.sh release heed
	@tools/run.sh $(PORT) $(DETACH)

test: ## every test except the long ones; last line: N passed, N failed
	@tools/setup.sh core web test
	@$(MAKE) -s web
	@python3 tools/run_tests.py

unit: ## the fast tests only
	@tools/setup.sh core web test
	@python3 tools/run_tests.py --only unit

golden: ## make the goldens anew (torch, transformers, jinja2 in .oracles)
	@tools/goldens/make.sh

fuzz: ## every parser under sanitizers: 50,000 mutated files (HEED_MUTATIONS) and libFuzzer (SECONDS=60) each
	@tools/setup.sh core test
	@tools/build.sh fuzz fuzzers
	@tools/fuzz.sh $(or $(SECONDS),60)

sanitize: ## the unit tests under AddressSanitizer, UBSan and ThreadSanitizer (most of an hour)
	@tools/setup.sh core test
	@tools/sanitize.sh

bench: ## heed's own benchmarks (INSTRUCTIONS=1: instructions a token under callgrind instead, without noise)
	@tools/build.sh release heed
	@if [ -n "$(INSTRUCTIONS)" ]; then tools/setup.sh profile && tools/instructions.py; else \
	  for group in machine matmul attention llm load; do build/release/heed bench $$group || exit 1; done; fi

compare: ## heed against its peers, in one run; fails where a ratio fell by more than 10 % (bench/baseline.json)
	@tools/build.sh release heed
	@tools/peers.sh
	@.peers/bin/python bench/compare.py gate --json

format: ## format every C++ file
	@git ls-files '*.cc' '*.h' '*.inl' | xargs clang-format-19 -i

lint: ## clang-format, include table, sizes, clang-tidy
	@tools/setup.sh core test
	@python3 tools/run_tests.py --only lint

web: ## build the page into web/dist
	@tools/web.sh

docs: ## run the README's commands
	@python3 tools/run_tests.py --only docs

clean: ## remove what was built
	rm -rf build web/dist
