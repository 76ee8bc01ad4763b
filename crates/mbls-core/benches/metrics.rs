//! Metrics from logits: all metrics of the top label in one pass, and classwise ECE.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mbls_core::metric::{
    Accuracy, AdaptiveConvention, AdaptiveEce, BrierScore, ClasswiseConvention, ClasswiseEce,
    Metric, NegativeLogLikelihood, ReliabilityBins, TopKAccuracy, measure_logits,
};
use rand::{RngExt, SeedableRng};
use std::hint::black_box;

struct Batch {
    logits: Vec<f32>,
    classes: usize,
    labels: Vec<u32>,
}

/// Returns the logits of a good classifier: uniform noise, and a bonus of 0 to 12 for the label in
/// four of five rows.
fn batch(rows: usize, classes: usize) -> Batch {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let mut logits: Vec<f32> = (0..rows * classes).map(|_| rng.random_range(-2.0..2.0)).collect();
    let labels: Vec<u32> = (0..rows).map(|_| rng.random_range(0..classes as u32)).collect();
    for (row, &label) in logits.chunks_mut(classes).zip(&labels) {
        let hit = if rng.random_bool(0.8) { label as usize } else { rng.random_range(0..classes) };
        row[hit] += rng.random_range(0.0..12.0);
    }
    Batch { logits, classes, labels }
}

fn metrics(criterion: &mut Criterion) {
    let one_pass = (
        Accuracy::new(),
        TopKAccuracy::new(5).expect("5 is 1 or more"),
        NegativeLogLikelihood::new(),
        BrierScore::new(),
        ReliabilityBins::new(15).expect("15 bins"),
        AdaptiveEce::new(15, AdaptiveConvention::Definition).expect("15 bins"),
    );
    let classwise = ClasswiseEce::new(15, ClasswiseConvention::Definition).expect("15 bins");
    let pools: Vec<_> = [1, 2]
        .map(|threads| {
            (
                threads,
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads"),
            )
        })
        .into();
    for (rows, classes) in [(10_000, 200), (50_000, 1000), (4_000_000, 21)] {
        let Batch { logits, classes, labels } = batch(rows, classes);
        for (threads, pool) in &pools {
            let mut group =
                criterion.benchmark_group(format!("{rows}x{classes}/{threads} threads"));
            group.sample_size(10).throughput(Throughput::Bytes(4 * logits.len() as u64));
            group.bench_function(BenchmarkId::from_parameter("copy"), |b| {
                let mut copy = vec![0f32; logits.len()];
                b.iter(|| pool.install(|| copy_all(&logits, &mut copy)));
            });
            group.bench_function(BenchmarkId::from_parameter("one pass"), |b| {
                let run = || {
                    measure_logits(&one_pass, &logits, classes, &labels).expect("a batch").value()
                };
                b.iter(|| black_box(pool.install(run)));
            });
            group.bench_function(BenchmarkId::from_parameter("classwise"), |b| {
                let run = || {
                    measure_logits(&classwise, &logits, classes, &labels).expect("a batch").value()
                };
                b.iter(|| black_box(pool.install(run)));
            });
        }
    }
}

/// The limit set by memory bandwidth: a copy, which reads every byte once, like a metric, and
/// writes it.
fn copy_all(from: &[f32], to: &mut [f32]) {
    use rayon::prelude::*;
    to.par_chunks_mut(1 << 16)
        .zip(from.par_chunks(1 << 16))
        .for_each(|(to, from)| to.copy_from_slice(from));
}

criterion_group!(benches, metrics);
criterion_main!(benches);
