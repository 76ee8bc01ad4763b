#!/bin/sh
# Interprets the tests of the CPU kernels that have unsafe code, on small shapes, and writes Miri's
# output to docs/results/miri.txt. Needs a nightly toolchain with the components miri and rust-src.
# Takes about a quarter of an hour.
set -eu
cd "$(dirname "$0")/.."

# Tree borrows, because crossbeam-epoch, a dependency of rayon, violates stacked borrows; it also
# converts integers to pointers. rayon's threads are never joined. By default Miri adds random
# errors to exp and ln.
export MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks -Zmiri-disable-isolation -Zmiri-deterministic-floats"
# Selects the AVX2 kernels.
export RUSTFLAGS="-C target-cpu=x86-64-v3"
export RAYON_NUM_THREADS=2

run() {
    echo "\$ cargo miri test $*"
    # Omit cargo's build messages and the duration of the tests.
    cargo +nightly miri test "$@" 2>&1 | grep -v -E '^ +[A-Z][a-z]+ |Miri does not support optimizations' | sed 's/; finished in .*//'
}

out=docs/results/miri.txt
{
    cargo +nightly miri --version
    # Vector instructions (softmax), and memory that is written before it counts as initialised
    # (losses).
    run -p mbls-core --lib -- metric::input::softmax loss::fused::run
    # Memory shared by threads, matrix products by the gemm crate, optimizer steps.
    run -p mbls-nn --lib -- parallel cpu::values cpu::kernel::matrix optim::adam optim::sgd
    # Both of the above, and Winograd transforms.
    run -p mbls-nn --lib -- cpu::conv
} > "$out.tmp"
mv "$out.tmp" "$out"
cat "$out"
! grep -q -E 'FAILED|Undefined Behavior|^error' "$out"
