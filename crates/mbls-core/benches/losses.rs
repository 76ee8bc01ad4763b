//! Losses, forward and backward, fused and composed.

use candle_core::{Device, Tensor, Var};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mbls_core::loss::{LogitBatch, LossSpec};
use rand::{RngExt, SeedableRng};
use std::hint::black_box;

/// Keeps the memory of one step for the next. The system's allocator returns large blocks to the
/// operating system, and most of a step would be spent on clearing pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const IGNORED: u32 = 255;

/// Returns logits and labels; one pixel in twenty is not labelled.
fn batch(shape: &[usize]) -> candle_core::Result<(Var, Tensor)> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let logits: Vec<f32> =
        (0..shape.iter().product()).map(|_| rng.random_range(-6.0..6.0)).collect();
    let positions = [&shape[..1], &shape[2..]].concat();
    let mut label = || {
        if shape.len() > 2 && rng.random_bool(0.05) {
            IGNORED
        } else {
            rng.random_range(0..shape[1] as u32)
        }
    };
    let labels: Vec<u32> = (0..positions.iter().product()).map(|_| label()).collect();
    Ok((
        Var::from_vec(logits, shape, &Device::Cpu)?,
        Tensor::from_vec(labels, positions, &Device::Cpu)?,
    ))
}

fn losses(criterion: &mut Criterion) {
    let specs = [
        ("mbls", LossSpec::margin(10.0, 0.1)),
        ("ce", LossSpec::CrossEntropy),
        ("ls", LossSpec::LabelSmoothing { alpha: 0.05 }),
        ("focal", LossSpec::Focal { gamma: 3.0 }),
    ];
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        for shape in [&[128, 10][..], &[128, 200], &[1024, 1000], &[8, 21, 512, 512]] {
            let (logits, labels) = batch(shape).expect("a batch");
            let ignore = (shape.len() > 2).then_some(IGNORED.into());
            for (name, spec) in &specs {
                let loss = spec.build().expect("settings in range");
                for form in ["fused", "composed"] {
                    let run = || -> mbls_core::Result<_> {
                        let batch = LogitBatch::new(&logits, &labels, ignore)?;
                        let batch = if form == "composed" { batch.composed() } else { batch };
                        Ok(loss.forward(&batch)?.total.backward()?)
                    };
                    let mut group =
                        criterion.benchmark_group(format!("{name}/{shape:?}/{threads} threads"));
                    group.sample_size(10);
                    group.bench_function(BenchmarkId::from_parameter(form), |b| {
                        pool.install(|| b.iter(|| black_box(run().expect("a loss"))));
                    });
                }
            }
        }
    }
}

criterion_group!(benches, losses);
criterion_main!(benches);
