#!/bin/sh
# Interprets the tests of the CPU kernels that have unsafe code, on small shapes, and writes what Miri says to docs/results/miri.txt.
# Needs a nightly toolchain with the components miri and rust-src. Takes about a quarter of an hour.
set -eu
cd "$(dirname "$0")/.."

# Tree borrows, because crossbeam-epoch, which rayon stands on, breaks the rules of stacked borrows; it also turns integers into
# pointers. rayon's threads live until the end. Miri would else add errors of its own to exp and ln.
export MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks -Zmiri-disable-isolation -Zmiri-deterministic-floats"
# So that the forms for AVX2 are what runs.
export RUSTFLAGS="-C target-cpu=x86-64-v3"
export RAYON_NUM_THREADS=2

run() {
    echo "\$ cargo miri test $*"
    # Without what cargo builds and how long the tests took.
    cargo +nightly miri test "$@" 2>&1 | grep -v -E '^ +[A-Z][a-z]+ |Miri does not support optimizations' | sed 's/; finished in .*//'
}

out=docs/results/miri.txt
{
    cargo +nightly miri --version
    # Vector instructions (softmax), memory that is written before it counts as initialised (losses).
    run -p mbls-core --lib -- metric::input::softmax loss::fused::run
    # Memory that threads share, matrix products by the gemm crate, steps of optimizers.
    run -p mbls-nn --lib -- parallel cpu::values cpu::kernel::matrix optim::adam optim::sgd
    # Both of the former, and Winograd's transforms.
    run -p mbls-nn --lib -- cpu::conv
} > "$out.tmp"
mv "$out.tmp" "$out"
cat "$out"
! grep -q -E 'FAILED|Undefined Behavior|^error' "$out"
