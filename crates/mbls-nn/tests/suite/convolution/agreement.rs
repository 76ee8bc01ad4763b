//! Agreement of the back ends, of memory layouts, and of numbers of threads.

use super::{config, evaluate, fits, forms, operands};
use crate::support::{bits, cpu, difference, noise, portable};
use candle_core::{DType, Device, Result, Tensor};
use mbls_nn::ConvConfig;
use proptest::prelude::*;

fn agree<const D: usize>(operands: &[Tensor], config: &ConvConfig<D>) -> Result<()> {
    for (dtype, bound) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        let [a, b] = forms::<D>().map(|(_, form)| evaluate(form, operands, config, dtype));
        for (i, (a, b)) in a?.iter().zip(&b?).enumerate() {
            let gap = difference(a, b)?;
            assert!(gap <= bound, "{dtype:?}, output {i}: {gap}; {config:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn forms_agree_in_two_dimensions(
        images in 1usize..20, channels in (1usize..3, 1usize..40, 1usize..40), size in [1usize..14, 1usize..14],
        kernel in [1usize..5, 1usize..5], stride in [1usize..4, 1usize..4], padding in [0usize..4, 0usize..4],
        dilation in [1usize..4, 1usize..4], bias: bool, square: bool,
    ) {
        let (groups, inputs, outputs) = channels;
        // Half of the cases meet the conditions of Winograd's algorithm.
        let (kernel, stride) = if square { ([3, 3], [1, 1]) } else { (kernel, stride) };
        let config = config(stride, padding, dilation, groups);
        let shape = [images, groups * inputs, size[0], size[1]];
        let operands = operands(&shape, groups * outputs, &kernel, groups, bias).unwrap();
        if fits(size, kernel, &config) {
            agree(&operands, &config).unwrap();
        } else {
            for (_, form) in forms() {
                prop_assert!(form(&operands[0], &operands[1], operands.get(2), &config).is_err());
            }
        }
    }

    #[test]
    fn forms_agree_in_one_dimension(
        images in 1usize..20, channels in (1usize..3, 1usize..40, 1usize..40), size in 1usize..80, kernel in 1usize..7,
        stride in 1usize..4, padding in 0usize..5, dilation in 1usize..4, bias: bool,
    ) {
        let (groups, inputs, outputs) = channels;
        let config = config([stride], [padding], [dilation], groups);
        let shape = [images, groups * inputs, size];
        let operands = operands(&shape, groups * outputs, &[kernel], groups, bias).unwrap();
        if fits([size], [kernel], &config) {
            agree(&operands, &config).unwrap();
        } else {
            for (_, form) in forms() {
                prop_assert!(form(&operands[0], &operands[1], operands.get(2), &config).is_err());
            }
        }
    }
}

#[test]
fn large_ones_agree() -> Result<()> {
    // More than every algorithm processes at once, and sizes that are and are not multiples of the
    // tiles.
    for (x, outputs, kernel, config) in [
        ([67, 4, 9, 8], 6, [3, 3], config([1, 1], [1, 1], [1, 1], 1)),
        ([3, 24, 30, 30], 8, [3, 3], config([2, 2], [1, 1], [1, 1], 1)),
        ([70, 32, 16, 16], 32, [3, 3], config([1, 1], [1, 1], [1, 1], 1)),
        ([2, 32, 97, 131], 32, [3, 3], config([1, 1], [2, 3], [2, 3], 1)),
        ([1100, 128, 4, 4], 128, [1, 1], config([1, 1], [0, 0], [1, 1], 1)),
        ([40, 128, 6, 7], 256, [3, 3], config([2, 2], [1, 1], [1, 1], 1)),
        ([2, 128, 16, 18], 128, [3, 3], config([1, 1], [9, 11], [9, 11], 1)),
        ([2, 3, 90, 80], 16, [7, 7], config([2, 2], [3, 3], [1, 1], 1)),
    ] {
        agree(&operands(&x, outputs, &kernel, config.groups, true)?, &config)?;
    }
    agree(&operands(&[9, 100, 300], 128, &[5], 1, true)?, &config([1], [0], [1], 1))
}

#[test]
fn one_dimension_is_two_with_height_one() -> Result<()> {
    for (_, flat) in forms::<1>() {
        let operands = operands(&[3, 4, 11], 6, &[4], 2, true)?;
        let y = flat(&operands[0], &operands[1], operands.get(2), &config([2], [3], [2], 2))?;
        let (x, weight) = (operands[0].unsqueeze(2)?, operands[1].unsqueeze(2)?);
        let wide = cpu::conv(&x, &weight, operands.get(2), &config([1, 2], [0, 3], [1, 2], 2))?;
        assert!(difference(&y, &wide.squeeze(2)?)? < 1e-14);
    }
    Ok(())
}

#[test]
fn unusual_layouts_are_read_correctly() -> Result<()> {
    let config = config([1, 1], [1, 1], [1, 1], 1);
    let dense =
        |t: &Tensor| Tensor::from_vec(t.flatten_all()?.to_vec1::<f64>()?, t.shape(), &Device::Cpu);
    // Transposed, broadcast (stride 0), and a view of a larger tensor.
    let x = noise(&[7, 30, 5, 9], 1)?.transpose(0, 2)?.narrow(0, 1, 4)?;
    let weight = noise(&[1, 30, 3, 1], 2)?.broadcast_as((26, 30, 3, 3))?;
    let bias = noise(&[52], 3)?.narrow(0, 26, 26)?;
    for (_, form) in forms() {
        let found = form(&x, &weight, Some(&bias), &config)?;
        let expected =
            portable::conv(&dense(&x)?, &dense(&weight)?, Some(&dense(&bias)?), &config)?;
        assert!(difference(&found, &expected)? < 1e-13);
    }
    Ok(())
}

#[test]
fn bits_are_those_of_one_thread() -> Result<()> {
    let run = |threads: usize, dtype| -> Result<Vec<Vec<u64>>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(candle_core::Error::wrap)?;
        pool.install(|| {
            let mut all = Vec::new();
            for (x, outputs, kernel, config) in [
                ([70, 24, 12, 13], 32, [3, 3], config([1, 1], [1, 1], [1, 1], 1)),
                ([3, 64, 33, 21], 64, [3, 3], config([1, 1], [2, 2], [2, 2], 2)),
                ([2, 256, 16, 16], 256, [3, 3], config([1, 1], [9, 9], [9, 9], 1)),
                ([33, 256, 4, 4], 300, [1, 1], config([1, 1], [0, 0], [1, 1], 1)),
                ([41, 16, 20, 20], 48, [3, 5], config([2, 1], [1, 2], [1, 1], 2)),
            ] {
                let operands = operands(&x, outputs, &kernel, config.groups, true)?;
                for t in evaluate(cpu::conv, &operands, &config, dtype)? {
                    all.push(bits(&t)?);
                }
            }
            let operands = operands(&[50, 20, 90], 30, &[5], 1, true)?;
            for t in evaluate(cpu::conv, &operands, &config([1], [2], [1], 1), dtype)? {
                all.push(bits(&t)?);
            }
            Ok(all)
        })
    };
    for dtype in [DType::F32, DType::F64] {
        let one = run(1, dtype)?;
        for threads in [2, 4] {
            assert!(run(threads, dtype)? == one, "{dtype:?} on {threads} threads");
        }
    }
    Ok(())
}
