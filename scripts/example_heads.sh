#!/bin/sh
# Writes what the examples of crates/mbls print into their heads:
#
#     cargo build -p mbls -p mbls-guide --examples && sh scripts/example_heads.sh
set -eu
cd "$(dirname "$0")/.."
for file in crates/mbls/examples/*.rs; do
  name=$(basename "$file" .rs)
  "target/debug/examples/$name" | sed 's|^|//! |; s| *$||' > target/head.txt
  awk '/^\/\/! ```$/ && inside { inside = 0 }
       !inside { print }
       /^\/\/! ```text$/ { inside = 1; while ((getline line < "target/head.txt") > 0) print line }' \
    "$file" > target/example.rs
  cp target/example.rs "$file"
done
