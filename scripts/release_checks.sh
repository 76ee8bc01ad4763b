#!/bin/sh
# What takes too long or needs too many tools for .ci/run: run it before a release.
#
#     cargo install --locked cargo-deny cargo-semver-checks mdbook
#     sh scripts/release_checks.sh [BASELINE]
#
# BASELINE is the commit or tag of the last release, for the check of public interfaces.
set -eu
cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$*"; }

step licences, bans, sources
cargo deny check licenses bans sources

step packages
# Each is built from its own files; the sizes are those of the compressed packages.
cargo package --workspace --allow-dirty
ls -l target/package/*.crate
large=$(find target/package -name '*.crate' -size +10000k)
if [ -n "$large" ]; then
  echo "larger than 10 MB: $large"
  exit 1
fi

step minimal versions of mbls-core
# In a copy: the command rewrites Cargo.lock.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git archive HEAD | tar -x -C "$copy"
(cd "$copy" && cargo +nightly update -Z minimal-versions && cargo check -p mbls-core --no-default-features && cargo check -p mbls-core)

step the oldest supported compilers, with candle and without
cargo +1.94 check -p mbls
cargo +1.90 check -p mbls-core -p mbls-io -p mbls-report --no-default-features

step guide
mdbook build docs

if [ $# -gt 0 ]; then
  step public interfaces since "$1"
  # By default the tool enables all features, Metal too, which no Linux builds.
  cargo semver-checks --workspace --default-features --baseline-rev "$1"
fi
