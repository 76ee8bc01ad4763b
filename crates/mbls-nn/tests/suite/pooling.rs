//! Pooling and resampling: fast compared with portable back end, finite differences, threads, NaN,
//! invalid input.

use crate::support::{bits, cpu, difference, noise, portable, weighted_sum};
use candle_core::{DType, Device, Module, Result, Tensor, Var};
use mbls_nn::{
    AdaptiveAvgPool1d, AdaptiveMaxPool2d, Bilinear2d, MaxPool1d, MaxPool2d, Nearest2d, PoolSize,
};
use mbls_testkit::gradient;
use proptest::prelude::*;

/// One operation in one implementation.
type Form = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

/// Returns every operation over two axes, fast and portable.
fn forms(size: PoolSize<2>, output: [usize; 2]) -> Vec<(Form, Form)> {
    let mut forms: Vec<(Form, Form)> = vec![
        (
            Box::new(move |x| cpu::max_pool(x, &size)),
            Box::new(move |x| portable::max_pool(x, &size)),
        ),
        (
            Box::new(move |x| Ok(cpu::adaptive_max_pool_with_indices(x, output)?.0)),
            Box::new(move |x| Ok(portable::adaptive_max_pool_with_indices(x, output)?.0)),
        ),
        (
            Box::new(move |x| cpu::adaptive_avg_pool(x, output)),
            Box::new(move |x| portable::adaptive_avg_pool(x, output)),
        ),
        (
            Box::new(move |x| cpu::nearest2d(x, output)),
            Box::new(move |x| portable::nearest2d(x, output)),
        ),
    ];
    for flag in [false, true] {
        forms.push((
            Box::new(move |x| cpu::avg_pool(x, &size, flag)),
            Box::new(move |x| portable::avg_pool(x, &size, flag)),
        ));
        forms.push((
            Box::new(move |x| cpu::bilinear2d(x, output, flag)),
            Box::new(move |x| portable::bilinear2d(x, output, flag)),
        ));
    }
    forms
}

fn evaluate(x: &Tensor, f: &Form) -> Result<[Tensor; 2]> {
    let x = Var::from_tensor(x)?;
    let y = f(&x)?;
    let gradient = weighted_sum(&y)?.backward()?.get(&x).cloned();
    Ok([y, gradient.ok_or_else(|| candle_core::Error::Msg("no gradient".into()))?])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_forms_agree(
        shape in prop::array::uniform4(1usize..9), wide in 0usize..40, kernel in prop::array::uniform2(1usize..6),
        stride in prop::array::uniform2(1usize..4), padding in prop::array::uniform2(0usize..3), ceil_mode: bool,
        output in prop::array::uniform2(1usize..20),
    ) {
        let shape = [shape[0].min(3), shape[1].min(3), shape[2], shape[3] + wide];
        let padding = [padding[0].min(kernel[0] / 2), padding[1].min(kernel[1] / 2)];
        let size = PoolSize { kernel, stride, padding, ceil_mode };
        let x = noise(&shape, 1).unwrap();
        for (i, (fast, slow)) in forms(size, output).iter().enumerate() {
            for (dtype, bound) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
                let x = x.to_dtype(dtype).unwrap();
                match (evaluate(&x, fast), evaluate(&x, slow)) {
                    (Ok(a), Ok(b)) => for (a, b) in a.iter().zip(&b) {
                        let gap = difference(a, b).unwrap();
                        prop_assert!(gap <= bound, "operation {i}, {dtype:?}: {gap}");
                    },
                    (a, b) => prop_assert!(a.is_err() && b.is_err(), "operation {i}"),
                }
            }
        }
        // One axis is the two-dimensional case with a single row.
        let x = x.narrow(2, 0, 1).unwrap();
        let line = PoolSize::<1> { kernel: [kernel[1]], stride: [stride[1]], padding: [padding[1]], ceil_mode };
        let row = PoolSize { kernel: [1, kernel[1]], stride: [1, stride[1]], padding: [0, padding[1]], ceil_mode };
        if let Ok((y, places)) = cpu::max_pool_with_indices(&x, &row) {
            let (a, b) = cpu::max_pool_with_indices(&x.squeeze(2).unwrap(), &line).unwrap();
            prop_assert_eq!(bits(&a).unwrap(), bits(&y).unwrap());
            prop_assert_eq!(b.flatten_all().unwrap().to_vec1::<u32>().unwrap(), places.flatten_all().unwrap().to_vec1::<u32>().unwrap());
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() -> Result<()> {
    for shape in [[1, 1, 1, 1], [2, 1, 4, 5], [1, 2, 7, 4], [2, 2, 1, 6]] {
        for (kernel, stride, padding) in [
            ([1, 1], [1, 2], [0, 0]),
            ([2, 3], [1, 2], [1, 1]),
            ([3, 2], [2, 1], [1, 0]),
            ([4, 5], [3, 1], [2, 2]),
        ] {
            for ceil_mode in [false, true] {
                let size = PoolSize { kernel, stride, padding, ceil_mode };
                for output in [[1, 1], [3, 4], [5, 2]] {
                    for (fast, slow) in forms(size, output) {
                        let x = [noise(&shape, 1)?];
                        if slow(&x[0]).is_err() {
                            continue;
                        }
                        gradient::check(&x, 2e-7, |t| weighted_sum(&fast(&t[0])?))?;
                        gradient::check(&x, 2e-7, |t| weighted_sum(&slow(&t[0])?))?;
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn transposed_and_broadcast_inputs_are_read_as_they_are_seen() -> Result<()> {
    let size = PoolSize::new(3, 2, 1);
    let turned = noise(&[5, 2, 3, 6], 1)?.transpose(0, 2)?.transpose(2, 3)?;
    let spread = noise(&[1, 2, 1, 6], 1)?.broadcast_as((3, 2, 5, 6))?;
    for x in [turned, spread] {
        for (fast, slow) in forms(size, [4, 3]) {
            let plain = x.copy()?.contiguous()?;
            assert_eq!(bits(&fast(&x)?)?, bits(&fast(&plain)?)?);
            assert!(difference(&slow(&x)?, &slow(&plain)?)? == 0.0);
        }
    }
    Ok(())
}

#[test]
fn a_nan_reaches_the_windows_that_see_it_and_no_other() -> Result<()> {
    let size = PoolSize { ceil_mode: true, ..PoolSize::new(3, 2, 1) };
    let mut values = noise(&[1, 1, 6, 7], 1)?.flatten_all()?.to_vec1::<f64>()?;
    values[3 * 7 + 4] = f64::NAN;
    let x = Tensor::from_vec(values, (1, 1, 6, 7), &Device::Cpu)?;
    for (i, (fast, slow)) in forms(size, [4, 3]).iter().enumerate() {
        let nan = |y: Tensor| {
            Ok::<_, candle_core::Error>(
                y.flatten_all()?.to_vec1::<f64>()?.iter().map(|v| v.is_nan()).collect::<Vec<_>>(),
            )
        };
        let (fast, slow) = (nan(fast(&x)?)?, nan(slow(&x)?)?);
        assert_eq!(fast, slow, "operation {i}");
        assert!(fast.iter().any(|&n| n) && !fast.iter().all(|&n| n), "operation {i}");
    }
    // Only minus infinity: the first entry is the maximum.
    let low = Tensor::full(f64::NEG_INFINITY, (1, 1, 6, 7), &Device::Cpu)?;
    for (y, places) in
        [cpu::max_pool_with_indices(&low, &size)?, portable::max_pool_with_indices(&low, &size)?]
    {
        assert_eq!(y.flatten_all()?.to_vec1::<f64>()?[0], f64::NEG_INFINITY);
        assert_eq!(places.flatten_all()?.to_vec1::<u32>()?[..3], [0, 1, 3]);
    }
    Ok(())
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() -> Result<()> {
    let x = noise(&[3, 5, 17, 19], 1)?.to_dtype(DType::F32)?;
    let run = |threads: usize| -> Result<Vec<u64>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(candle_core::Error::wrap)?;
        pool.install(|| {
            let mut all = Vec::new();
            for (fast, _) in forms(PoolSize::new(3, 2, 1), [7, 40]) {
                for t in evaluate(&x, &fast)? {
                    all.extend(bits(&t)?);
                }
            }
            Ok(all)
        })
    };
    let one = run(1)?;
    assert!(run(2)? == one && run(4)? == one);
    Ok(())
}

#[test]
fn bad_input_is_named() -> Result<()> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
    let uneven = PoolSize { kernel: [2, 3], stride: [1, 0], padding: [0, 1], ceil_mode: false };
    let cases = [
        (MaxPool2d { size: uneven }.forward(&zeros(&[1, 1, 5, 5])?), "stride = 0"),
        (MaxPool1d::new(0, 1, 0).forward(&zeros(&[1, 1, 5])?), "kernel = 0"),
        (MaxPool1d::new(3, 1, 2).forward(&zeros(&[1, 1, 5])?), "padding = 2"),
        (MaxPool1d::new(6, 1, 0).forward(&zeros(&[1, 1, 5])?), "does not fit"),
        (
            MaxPool1d::new(usize::MAX, 1, usize::MAX / 2).forward(&zeros(&[1, 1, 5])?),
            "does not fit",
        ),
        (MaxPool1d::new(2, 1, 0).forward(&zeros(&[1, 1, 5, 5])?), "expected [N, C, L]"),
        (MaxPool2d::new(2, 1, 0).forward(&zeros(&[1, 5, 5])?), "expected [N, C, H, W]"),
        (AdaptiveAvgPool1d { output: [0] }.forward(&zeros(&[1, 1, 5])?), "output size = 0"),
        (AdaptiveMaxPool2d { output: [1, 1] }.forward(&zeros(&[0, 1, 5, 5])?), "empty"),
        (
            Bilinear2d { output: [3, 0], align_corners: true }.forward(&zeros(&[1, 1, 5, 5])?),
            "output size = 0",
        ),
        (
            Bilinear2d { output: [3, 3], align_corners: true }.forward(&zeros(&[1, 1, 0, 5])?),
            "empty",
        ),
        (Nearest2d { output: [0, 3] }.forward(&zeros(&[1, 1, 5, 5])?), "output size = 0"),
        (Nearest2d { output: [3, 3] }.forward(&zeros(&[1, 5, 5])?), "[N, C, H, W]"),
    ];
    for (i, (result, part)) in cases.into_iter().enumerate() {
        let message = result.expect_err(part).to_string();
        assert!(message.contains(part), "case {i}: {message}");
    }
    Ok(())
}
