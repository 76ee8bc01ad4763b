//! Values and gradients compared with PyTorch and finite differences.

use super::{config, evaluate, fits, forms, operands};
use crate::support::{difference, noise, stored_tensor, weighted_sum};
use candle_core::{DType, Result, Tensor, Var};
use mbls_testkit::{golden, gradient};

#[test]
fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
    let file = golden::fixture("convolution/convolution.json");
    let cases = file["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 8);
    for case in cases {
        match case["stride"].as_array().expect("strides").len() {
            1 => check_case::<1>(case)?,
            _ => check_case::<2>(case)?,
        }
    }
    Ok(())
}

fn check_case<const D: usize>(case: &serde_json::Value) -> Result<()> {
    let sizes = |value: &serde_json::Value| -> Vec<usize> {
        serde_json::from_value(value.clone()).expect("sizes")
    };
    let setting = |name: &str| -> [usize; D] {
        sizes(&case[name]).try_into().expect("a number for each axis")
    };
    let groups = case["groups"].as_u64().expect("a number") as usize;
    let config = config(setting("stride"), setting("padding"), setting("dilation"), groups);
    let tensor = |name: &str| {
        let stored = case["tensors"].get(name)?;
        Some(stored_tensor(stored).expect("a tensor"))
    };
    let names = ["x", "weight", "bias"];
    for (dtype, bound) in [(DType::F64, 1e-13), (DType::F32, 1e-6)] {
        for (form_name, form) in forms::<D>() {
            let cast = |t: Tensor| t.to_dtype(dtype);
            let vars = names.iter().filter_map(|n| tensor(n)).map(|t| Var::from_tensor(&cast(t)?));
            let vars = vars.collect::<Result<Vec<_>>>()?;
            let y = form(&vars[0], &vars[1], vars.get(2).map(|b| &**b), &config)?;
            let grads = (&y * cast(tensor("dy").expect("dy"))?)?.sum_all()?.backward()?;
            let mut gaps = vec![("y", difference(&y, &tensor("y").expect("y"))?)];
            for (name, var) in names.iter().zip(&vars) {
                let expected = tensor(&format!("d{name}")).expect("a gradient");
                gaps.push((name, difference(grads.get(var).expect("a gradient"), &expected)?));
            }
            for (name, gap) in gaps {
                assert!(gap <= bound, "{form_name}, {dtype:?}, {name}: {gap}; {config:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_are_finite_differences_over_a_grid_of_settings() -> Result<()> {
    let sizes = [[1, 1], [1, 4], [3, 2], [4, 5], [5, 3]];
    let kernels = [[1, 1], [2, 3], [3, 1], [3, 3]];
    let strides = [[1, 1], [2, 1], [1, 3], [2, 2]];
    let paddings = [[0, 0], [1, 0], [1, 2]];
    let dilations = [[1, 1], [2, 1], [1, 2]];
    let rest = [(1, 1, false), (3, 1, true), (1, 2, true), (2, 2, false)];
    let total =
        sizes.len() * kernels.len() * strides.len() * paddings.len() * dilations.len() * rest.len();
    let mut checked = 0;
    // Every 11th: 11 and the lengths have no common divisor, so every setting is combined with
    // every other.
    for mut i in (0..total).step_by(11) {
        let mut pick = |n: usize| {
            let k = i % n;
            i /= n;
            k
        };
        let (size, kernel, stride) = (sizes[pick(5)], kernels[pick(4)], strides[pick(4)]);
        let (padding, dilation, (images, groups, bias)) =
            (paddings[pick(3)], dilations[pick(3)], rest[pick(4)]);
        let config = config(stride, padding, dilation, groups);
        if !fits(size, kernel, &config) {
            continue;
        }
        let operands = operands(&[images, groups, size[0], size[1]], 2, &kernel, groups, bias)?;
        for (name, form) in forms::<2>() {
            println!("{name}: {size:?} {kernel:?} {config:?}");
            gradient::check(&operands, 2e-7, |t| {
                weighted_sum(&form(&t[0], &t[1], t.get(2), &config)?)
            })?;
        }
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
    Ok(())
}

#[test]
fn gradients_are_finite_differences_in_one_dimension() -> Result<()> {
    let mut checked = 0;
    for (size, kernel, stride, padding) in [
        (1, 1, 1, 0),
        (1, 3, 1, 1),
        (6, 5, 1, 0),
        (7, 2, 2, 1),
        (8, 3, 3, 2),
        (5, 4, 1, 3),
        (9, 3, 2, 0),
    ] {
        for (dilation, images, groups, bias) in
            [(1, 1, 1, true), (2, 3, 1, false), (1, 2, 2, true), (3, 1, 2, false)]
        {
            let config = config([stride], [padding], [dilation], groups);
            if !fits([size], [kernel], &config) {
                continue;
            }
            let operands =
                operands(&[images, 2 * groups, size], 2 * groups, &[kernel], groups, bias)?;
            for (name, form) in forms::<1>() {
                println!("{name}: {size} {kernel} {config:?}");
                gradient::check(&operands, 2e-7, |t| {
                    weighted_sum(&form(&t[0], &t[1], t.get(2), &config)?)
                })?;
            }
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
    Ok(())
}

#[test]
fn slopes_of_many_channels_are_finite_differences() -> Result<()> {
    // Enough channels for each of the fast algorithms; differences along a few directions instead
    // of one per entry.
    for (x, outputs, kernel, config) in [
        ([2, 24, 7, 6], 32, [3, 3], config([1, 1], [1, 0], [1, 1], 1)),
        ([1, 64, 9, 8], 64, [3, 3], config([1, 1], [2, 2], [2, 2], 2)),
        ([2, 128, 8, 9], 128, [3, 3], config([1, 1], [6, 7], [6, 7], 1)),
        ([3, 256, 4, 4], 256, [3, 3], config([2, 2], [1, 1], [1, 1], 2)),
        ([5, 128, 3, 5], 128, [1, 1], config([1, 1], [0, 0], [1, 1], 1)),
        ([3, 128, 6, 40], 16, [3, 5], config([2, 1], [1, 2], [1, 1], 1)),
    ] {
        let operands = operands(&x, outputs, &kernel, config.groups, true)?;
        for (name, form) in forms::<2>() {
            let found = evaluate(form, &operands, &config, DType::F64)?;
            for i in 0..operands.len() {
                for salt in [11, 12, 13] {
                    let direction = noise(operands[i].dims(), salt)?;
                    let value = |step: f64| -> Result<f64> {
                        let mut moved = operands.clone();
                        moved[i] = (&operands[i] + (&direction * step)?)?;
                        weighted_sum(&form(&moved[0], &moved[1], moved.get(2), &config)?)?
                            .to_scalar()
                    };
                    let numeric = (value(1e-3)? - value(-1e-3)?) / 2e-3;
                    let slope: f64 = (&found[i + 1] * &direction)?.sum_all()?.to_scalar()?;
                    let gap = (slope - numeric).abs();
                    assert!(
                        gap <= 1e-8 * numeric.abs().max(1.0),
                        "{name}, input {i}: {slope}, {numeric}; {config:?}"
                    );
                }
            }
        }
    }
    Ok(())
}
