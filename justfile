# The recipes of this project. `./just` runs them where `just` itself is not installed.

set shell := ["bash", "-euo", "pipefail", "-c"]

web := "crates/web/app"
test_js := "tests/js"
test_browser := "tests/browser"
test_peer := "tests/peers/socketio"

# List the recipes
[private]
default:
    @{{ just_executable() }} --justfile {{ justfile() }} --list --unsorted

# Build every crate
build:
    cargo build --workspace

# Where it is built is not in it.

# Build what is shipped, with the page: target/dist/carillon, whose `--version` names the commit
dist: web
    cargo=${CARGO_HOME:-$HOME/.cargo}; export CARILLON_COMMIT=$(git rev-parse --short=12 HEAD); \
    export RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=$cargo=cargo"; \
    export CFLAGS="-ffile-prefix-map=$PWD=. -ffile-prefix-map=$cargo=cargo"; \
    cargo build --locked --profile dist --package carillon
    if [ -n "$(git status --porcelain)" ]; then echo "dist: the working tree has changes that the commit does not" >&2; fi
    sha256sum target/dist/carillon

# What the licences of the binary's parts ask to be told with it: target/dist/NOTICES.txt (installs cargo-about where it is missing)
notices:
    export PATH="$PWD/.tools/cargo/bin:$PATH"; \
    cargo about --version >/dev/null 2>&1 || cargo install cargo-about --quiet --locked --features cli --root .tools/cargo; \
    mkdir -p target/dist; \
    cargo about generate --locked --fail --config deploy/notices/about.toml --manifest-path crates/app/Cargo.toml \
        --output-file target/dist/NOTICES.txt deploy/notices/notices.hbs

# Bills of materials, CycloneDX: target/sbom/{carillon,web}.cdx.json (installs cargo-cyclonedx where it is missing)
sbom: web
    export PATH="$PWD/.tools/cargo/bin:$PATH"; \
    cargo cyclonedx --version >/dev/null 2>&1 || cargo install cargo-cyclonedx --quiet --locked --root .tools/cargo; \
    mkdir -p target/sbom; \
    cargo cyclonedx --quiet --format json --target x86_64-unknown-linux-gnu --manifest-path crates/app/Cargo.toml --override-filename bom; \
    sed "s|$PWD|.|g" crates/app/bom.json >target/sbom/carillon.cdx.json; find crates tests -name bom.json -not -path '*/node_modules/*' -delete
    cd {{ web }} && npm sbom --sbom-format cyclonedx --sbom-type application >../../../target/sbom/web.cdx.json

# What a change must pass: formatting, lints, docs, spelling (where `typos` is installed)
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet
    if command -v typos >/dev/null; then typos; else echo "typos is not installed: spelling not checked"; fi

# Every test, and which share of the product's lines they ran: it must be at least 80 %, and what the README says
coverage:
    tests/coverage {{ just_executable() }} --justfile {{ justfile() }} test

# Every test. The integration tests drive the built binary with the official client and with Chromium, over servers of their own
test: test-js test-browser
    npm test --prefix {{ web }} --silent
    cargo build --workspace --bins
    cargo test --workspace --doc --quiet
    if cargo nextest --version >/dev/null 2>&1; then tests/with-servers cargo nextest run --workspace; \
    else tests/with-servers cargo test --workspace --all-targets; fi

# The npm packages the tests drive the server with
[private]
test-js:
    npm ci --prefix {{ test_js }} --no-audit --no-fund --silent

# The page as built, a browser, and the packages that drive it
[private]
test-browser: web
    npm ci --prefix {{ test_browser }} --no-audit --no-fund --silent
    if ! command -v chromium >/dev/null; then apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends chromium fonts-liberation; fi

# A dev build: from nothing it is there in about half the time of a release build, and a demo needs no speed.

# Build the web inbox and run the demo: a gateway with demo users and a clinic that publishes
demo *args: web
    cargo run --package carillon -- demo {{ args }}

# Build the web inbox that the binary carries; without npm the binary carries a plain page instead
web:
    if [ ! -f {{ web }}/package.json ]; then exit 0; fi; \
    if command -v npm >/dev/null; then cd {{ web }} && \
        if [ package-lock.json -nt node_modules/.package-lock.json ]; then npm ci --no-audit --no-fund --silent; fi && npm run --silent build; \
    else echo "npm is not installed: the plain page is served"; fi

# Draw every state of the page, at 360 and 1280 px, light and dark, into a folder; `pattern` picks some of them
screenshots folder="target/screenshots" pattern="": test-browser
    cargo build --package carillon
    node {{ test_browser }}/screenshots.mjs {{ folder }} "{{ pattern }}"

# Measure: release builds of the server and of the load tool, which starts the server it measures. `just bench NAME …` is `just bench-NAME …`
bench *args:
    case "{{ args }}" in [a-z]*) exec {{ just_executable() }} --justfile {{ justfile() }} bench-{{ args }};; esac; \
    cargo build --release --package carillon --package carillon-load; \
    cargo run --release --quiet --package carillon-load -- bench {{ args }}

# Hold Carillon, as shipped, beside socket.io, socketioxide and a bare server under the same load, and write docs/benchmarks.md; `--quick` to try it
bench-peers *args: dist bench-tools
    npm ci --prefix {{ test_peer }} --no-audit --no-fund --silent
    cargo build --release --locked --manifest-path tests/peers/socketioxide/Cargo.toml --target-dir target/peers
    CARILLON_BIN=target/dist/carillon DURABLE=1 tests/with-servers target/release/carillon-load peers {{ args }}

# Measure how costs grow with the connections of a node and with what its store keeps, and write docs/benchmarks.md
bench-growth *args: dist bench-tools
    cargo build --release --locked --manifest-path tests/peers/socketioxide/Cargo.toml --target-dir target/peers
    CARILLON_BIN=target/dist/carillon DURABLE=1 tests/with-servers target/release/carillon-load growth {{ args }}

# Keep 15,000 connections on one process for ten minutes under load, and write docs/benchmarks.md
bench-endurance *args: dist bench-tools
    CARILLON_BIN=target/dist/carillon DURABLE=1 tests/with-servers target/release/carillon-load endurance {{ args }}

[private]
bench-tools:
    cargo build --release --package carillon-load

# Measure what the log takes on PostgreSQL beside one INSERT a transaction, on this disk and on one 2 ms slower
bench-append:
    cargo build --release --package carillon-store-postgres --example append_rate
    mkdir -p target/slow-fsync
    cc -O2 -shared -fPIC -o target/slow-fsync/slow.so tests/load/slow-fsync.c -ldl
    echo "native fsync"; DURABLE=1 tests/with-servers target/release/examples/append_rate
    echo "fsync + 2 ms"; DURABLE=1 PRELOAD=target/slow-fsync/slow.so tests/with-servers target/release/examples/append_rate

# Measure how long clients that come back wait for what they missed
bench-resume *args:
    cargo build --release --package carillon --package carillon-load
    cargo run --release --quiet --package carillon-load -- resume {{ args }}

# Measure how soon everyone hears an admin, where a million users are known; `--postgres` for that store
bench-broadcast *args:
    cargo build --release --package carillon --package carillon-load
    tests/with-servers target/release/carillon-load broadcast {{ args }}

# Measure two nodes over one PostgreSQL and one Redis: how much later the other node's clients hear, and what the way costs
bench-hop *args:
    cargo build --release --package carillon --package carillon-load
    DURABLE=1 tests/with-servers target/release/carillon-load hop {{ args }}

# Simulate a log that is split by room: what it would take, and cost; writes docs/beyond.md. Half a minute, and nothing is measured
split *args: bench-tools
    target/release/carillon-load split {{ args }}

# Measure the codecs on one event, beside the official JavaScript parsers
bench-codec: test-js
    cargo bench --quiet --package carillon-protocol --bench codec
    node --expose-gc --min-semi-space-size=64 --max-semi-space-size=64 {{ test_js }}/bench-parsers.mjs

# Count by callgrind the instructions and allocations of codec, follower, hub and socket, and hold them against the baseline; `--bless` writes that anew
instructions *args:
    if ! command -v valgrind >/dev/null; then apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends valgrind; fi
    tests/instructions {{ args }}

# Fuzz one target of fuzz/src/targets for so many seconds: `just fuzz connection 60` (installs cargo-fuzz where it is missing)
fuzz target seconds="60":
    export PATH="$PWD/.tools/cargo/bin:$PATH"; \
    cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --quiet --locked --root .tools/cargo; \
    mkdir -p fuzz/corpus/{{ target }}; \
    RUSTC_BOOTSTRAP=1 cargo fuzz run {{ target }} fuzz/corpus/{{ target }} fuzz/seeds/{{ target }} -- \
        -max_total_time={{ seconds }} -max_len=4096 -timeout=5 -rss_limit_mb=1024

# A fault test at the size you say, and its figures: `just chaos f08 CLIENTS=200 LIGHTS=1000 RATE=500 SECONDS=30`; with
# `PROFILE=release` by release builds. `just chaos peers` lets the official server live through F01 and F05 beside ours.
chaos fault *sizes: test-js
    if [ {{ lowercase(fault) }} = peers ]; then npm ci --prefix {{ test_peer }} --no-audit --no-fund --silent; fi
    for size in {{ sizes }}; do export "CHAOS_$size"; done; profile=${CHAOS_PROFILE:+--profile=$CHAOS_PROFILE}; \
    cargo build $profile --workspace --bins; \
    tests/with-servers cargo test $profile --package carillon-tests --test it -- --nocapture --include-ignored --test-threads 1 faults::{{ lowercase(fault) }}

# Show that nothing is left of 120,000 connections, in half an hour: `just soak SOAK_CYCLES=40` for fewer
soak *sizes:
    cargo build --release --package carillon --features count-allocations --target-dir target/soak
    for size in SOAK_CYCLES=60 SOAK_CONNECTIONS=2000 {{ sizes }}; do export "$size"; done; \
    CARILLON_BIN=$PWD/target/soak/release/carillon \
        tests/with-servers cargo test --package carillon-tests --test it -- --nocapture soak::nothing_is_left

# Show that `just soak` notices a build that forgets one session in 1,000: it must fail, and for that reason
soak-leak *sizes:
    RUSTC_WORKSPACE_WRAPPER=$PWD/tests/leaking cargo build --release --package carillon --features count-allocations --target-dir target/soak
    for size in SOAK_CYCLES=60 SOAK_CONNECTIONS=2000 {{ sizes }}; do export "$size"; done; \
    export CARILLON_BIN=$PWD/target/soak/release/carillon; "$CARILLON_BIN" --version | grep leaks; \
    if tests/with-servers cargo test --package carillon-tests --test it -- --nocapture soak::nothing_is_left 2>&1 | tee target/soak/leak.log; \
    then echo "soak-leak: it was not noticed" >&2; exit 1; fi; \
    grep "bytes more with each cycle" target/soak/leak.log

# Write what the code says of its API into docs/api; a test holds them current
api-docs:
    cargo run --quiet --package carillon-api --example documents -- docs/api

# Try the API of a real node by its document, with Schemathesis (installs it where it is missing); some minutes
schemathesis *args:
    cargo build --package carillon
    tests/schemathesis/run {{ args }}

# Format the code
fmt:
    cargo fmt --all

# The documentation of the crates, in target/doc
docs:
    cargo doc --workspace --no-deps

# `just deny bans licenses sources` where the advisories cannot be fetched.

# Advisories, licences, sources and bans of the dependencies (installs cargo-deny where it is missing)
deny *what:
    export PATH="$PWD/.tools/cargo/bin:$PATH"; \
    cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --quiet --locked --root .tools/cargo; \
    cargo deny check {{ what }}

# Remove what ./just has installed
clean-tools:
    rm -rf .tools
