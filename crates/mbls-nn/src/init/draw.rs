//! Sampling with a seeded generator. candle's CPU generator cannot be seeded, and its samples
//! differ between devices.

use super::TruncatedNormal;
use candle_core::{DType, Device, Result, Shape, Tensor, bail};
use candle_nn::Init;
use candle_nn::init::NormalOrUniform;
use mbls_io::Fingerprint;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Returns the initial values of the parameter `name`.
///
/// The values depend on `(seed, name, shape, init)` alone, not on the order in which layers are
/// built or on the device. They are sampled as `f32` whatever `dtype` is, so an `f64` network
/// starts from the same values as its `f32` counterpart.
///
/// # Errors
///
/// Fails if a number of `init` is not finite, a spread is negative, or Kaiming's fan is undefined
/// for the shape.
pub(crate) fn draw(
    seed: u64,
    name: &str,
    shape: &Shape,
    init: Init,
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    check(name, shape, init)?;
    let mut rng = generator(seed, name);
    let values: Vec<f32> = match init {
        Init::Const(value) => vec![value as f32; shape.elem_count()],
        Init::Randn { mean, stdev } => normal(&mut rng, mean, stdev, shape.elem_count()),
        Init::Uniform { lo, up } => uniform(&mut rng, lo, up, shape.elem_count()),
        Init::Kaiming { dist, fan, non_linearity } => {
            let fan = fan.for_shape(shape).max(1) as f64;
            let std = non_linearity.gain() / fan.sqrt();
            match dist {
                NormalOrUniform::Normal => normal(&mut rng, 0.0, std, shape.elem_count()),
                NormalOrUniform::Uniform => {
                    let bound = 3f64.sqrt() * std;
                    uniform(&mut rng, -bound, bound, shape.elem_count())
                }
            }
        }
    };
    Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)
}

/// Same as [`draw`], for a truncated normal whose numbers have been checked.
pub(super) fn draw_truncated(
    seed: u64,
    name: &str,
    like: &Tensor,
    normal: TruncatedNormal,
) -> Result<Tensor> {
    let values = truncated(&mut generator(seed, name), normal, like.elem_count());
    Tensor::from_vec(values, like.shape(), &Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())
}

fn check(name: &str, shape: &Shape, init: Init) -> Result<()> {
    let finite = match init {
        Init::Const(value) => value.is_finite(),
        Init::Randn { mean, stdev } => mean.is_finite() && stdev.is_finite() && stdev >= 0.0,
        Init::Uniform { lo, up } => (up - lo).is_finite() && lo <= up,
        Init::Kaiming { non_linearity, .. } => non_linearity.gain().is_finite(),
    };
    if !finite {
        bail!("initial values of {name}: {init:?}, expected finite numbers, no negative spread");
    }
    if matches!(init, Init::Kaiming { .. }) && shape.rank() < 2 {
        bail!("initial values of {name}: {init:?} for shape {shape:?}, expected at least two axes");
    }
    Ok(())
}

fn generator(seed: u64, name: &str) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&Fingerprint::of(name.as_bytes()).value().to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

fn normal(rng: &mut ChaCha8Rng, mean: f64, std: f64, n: usize) -> Vec<f32> {
    (0..n)
        .map(|_| {
            let z: f64 = StandardNormal.sample(rng);
            (mean + std * z) as f32
        })
        .collect()
}

fn uniform(rng: &mut ChaCha8Rng, low: f64, high: f64, n: usize) -> Vec<f32> {
    (0..n).map(|_| (low + (high - low) * unit(rng)) as f32).collect()
}

/// Samples uniformly from `[0, 1)` with 53 bits: multiples of `2^-53`.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Samples by rejection. If the interval is wide and covers much of the normal distribution, it
/// samples normals and keeps those within the bounds. If it is narrow, it samples uniformly and
/// keeps each value in proportion to the density. Because the mean is within the bounds, nearly one
/// sample in two is kept at worst.
fn truncated(
    rng: &mut ChaCha8Rng,
    TruncatedNormal { mean, std, low, high }: TruncatedNormal,
    n: usize,
) -> Vec<f32> {
    let (first, last) = ((low - mean) / std, (high - mean) / std);
    let wide = last - first > 2.5;
    let one = |_| loop {
        let z = if wide { StandardNormal.sample(rng) } else { first + (last - first) * unit(rng) };
        let kept = if wide { first <= z && z <= last } else { unit(rng) <= (-0.5 * z * z).exp() };
        if kept {
            // Rounding may exceed the bounds by one unit in the last place.
            return (mean + std * z).clamp(low, high) as f32;
        }
    };
    (0..n).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{KAIMING_NORMAL_FAN_OUT, torch_uniform};
    use super::*;
    use candle_nn::init::{FanInOut, NonLinearity};

    fn values(seed: u64, name: &str, shape: &[usize], init: Init) -> Vec<f32> {
        let t = draw(seed, name, &Shape::from(shape), init, DType::F32, &Device::Cpu).unwrap();
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn moments(v: &[f32]) -> (f64, f64) {
        let n = v.len() as f64;
        let mean = v.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        (mean, (v.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    #[test]
    fn every_kind_has_the_expected_moments() {
        let shape = [64, 32, 3, 3];
        let std = |fan: f64| (2.0 / fan).sqrt();
        let kaiming = |dist, fan| Init::Kaiming { dist, fan, non_linearity: NonLinearity::ReLU };
        let cases = [
            (Init::Const(0.25), 0.25, 0.0),
            (Init::Randn { mean: 1.0, stdev: 0.5 }, 1.0, 0.5),
            (Init::Uniform { lo: -1.0, up: 3.0 }, 1.0, 4.0 / 12f64.sqrt()),
            (KAIMING_NORMAL_FAN_OUT, 0.0, std(64.0 * 9.0)),
            (kaiming(NormalOrUniform::Normal, FanInOut::FanIn), 0.0, std(32.0 * 9.0)),
            (kaiming(NormalOrUniform::Uniform, FanInOut::FanIn), 0.0, std(32.0 * 9.0)),
            (torch_uniform(12), 0.0, 1.0 / 6.0),
        ];
        for (init, mean, std) in cases {
            let v = values(1, "w", &shape, init);
            let (m, s) = moments(&v);
            assert!((m - mean).abs() < 0.02 * std.max(1e-9) * 2.0 + 1e-9, "{init:?}: mean {m}");
            assert!((s - std).abs() <= 0.02 * std + 1e-9, "{init:?}: std {s}, expected {std}");
        }
        let v = values(1, "w", &shape, torch_uniform(16));
        assert!(v.iter().all(|x| x.abs() <= 0.25));
    }

    #[test]
    fn a_draw_depends_on_seed_and_name_alone() {
        let init = KAIMING_NORMAL_FAN_OUT;
        let a = values(1, "conv1.weight", &[8, 3, 3, 3], init);
        assert_eq!(a, values(1, "conv1.weight", &[8, 3, 3, 3], init));
        assert_ne!(a, values(2, "conv1.weight", &[8, 3, 3, 3], init));
        assert_ne!(a, values(1, "conv2.weight", &[8, 3, 3, 3], init));
    }
}
