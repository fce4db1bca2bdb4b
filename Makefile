# Every target does its own set-up. `make help` lists them.
export MEDIA_CACHE ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/media-service
# Outside the checkout, so that a fresh clone builds only what is ours.
export CARGO_TARGET_DIR ?= $(MEDIA_CACHE)/target
BIN := $(CARGO_TARGET_DIR)/debug
RELEASE := $(CARGO_TARGET_DIR)/release

.PHONY: help setup build demo test lint bench bench-rows demo-times fuzz fix generated up

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: ## Install what is missing: packages, the S3 server, the speech model, players for a browser
	@deploy/setup

# All targets, and always the whole workspace: another choice of packages has other features, and builds the SDKs again.
build: setup
	cargo build --locked --workspace --all-targets

demo: build ## Upload a video with speech to the real thing and play it (FILE=… for your own)
	$(BIN)/media-devstack demo $(if $(FILE),--file "$(FILE)")

up: build ## Start the servers for development and stay
	$(BIN)/media-devstack up

test: build ## All tests, on real servers
	$(BIN)/media-devstack run -- cargo test --locked --workspace --no-fail-fast

lint: setup ## Formatting, clippy, what earlier versions promised, dependencies and secrets, and that generated files are what they should be
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	deploy/check-promises
	deploy/check-supply-chain
	deploy/check-generated

bench: setup ## What the ladder costs beside ffmpeg, and stills beside vipsthumbnail
	cargo build --locked --release --workspace --bin media-transcoder --bin media-devstack --example bench
	$(RELEASE)/examples/bench stills
	$(RELEASE)/media-devstack run -- $(RELEASE)/examples/bench ladder

demo-times: build ## Three times the demo's film: seconds from upload to captions, to ready, and of the whole demo
	@for run in 1 2 3; do \
	  CI=true $(BIN)/media-devstack demo 2>/dev/null | grep -E 'transcript.created|asset.ready|It took' || exit 1; \
	done

bench-rows: build ## Lists of a million assets, with row level security and by hand; and uploads of 2 GiB
	MEDIA_ASSETS=1000000 $(BIN)/media-devstack run -- cargo test --locked --workspace --test journeys -- storage::scale --nocapture --test-threads 1
	MEDIA_LARGE_MIB=2048 $(BIN)/media-devstack run -- cargo test --locked --workspace --test journeys -- large::memory --nocapture

fuzz: build ## A thousand broken headers of each container (the tests make seventy)
	MEDIA_FUZZ=1000 cargo test --locked --workspace --test it -- hostile::fuzz --nocapture

fix: setup ## Mend what can be mended by itself
	cargo fmt --all
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# The SQL cache without a whole build before it: after a change of SQL that needs the cache which is made here.
generated: setup ## Rewrite the SQL cache, and the documents that are made of code and protos
	cargo build --locked --package media-devstack
	$(BIN)/media-devstack run --database -- deploy/sqlx-cache .sqlx
	cargo build --locked --workspace --all-targets
	deploy/documents docs
