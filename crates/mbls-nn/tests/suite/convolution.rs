//! Convolutions of one and two dimensions: against PyTorch, finite differences and one another, and their bad input.

use crate::support::{bits, cpu, difference, noise, portable, weighted_sum};
use candle_core::{DType, Device, Module, Result, Tensor, Var};
use mbls_nn::{Conv1d, Conv2d, ConvConfig, ConvInit, ParamStore};
use mbls_testkit::gradient;
use proptest::prelude::*;

type Form<const D: usize> = fn(&Tensor, &Tensor, Option<&Tensor>, &ConvConfig<D>) -> Result<Tensor>;

fn forms<const D: usize>() -> [(&'static str, Form<D>); 2] {
    [("cpu", cpu::conv::<D>), ("portable", portable::conv::<D>)]
}

fn config<const D: usize>(
    stride: [usize; D],
    padding: [usize; D],
    dilation: [usize; D],
    groups: usize,
) -> ConvConfig<D> {
    ConvConfig { stride, padding, dilation, groups, bias: false, init: ConvInit::TorchUniform }
}

fn fits<const D: usize>(sizes: [usize; D], kernel: [usize; D], config: &ConvConfig<D>) -> bool {
    (0..D).all(|i| (kernel[i] - 1) * config.dilation[i] < sizes[i] + 2 * config.padding[i])
}

/// Input, weight and, if wanted, bias.
fn operands(x: &[usize], outputs: usize, kernel: &[usize], groups: usize, bias: bool) -> Result<Vec<Tensor>> {
    let weight = [&[outputs, x[1] / groups], kernel].concat();
    let mut operands = vec![noise(x, 1)?, noise(&weight, 2)?];
    if bias {
        operands.push(noise(&[outputs], 3)?);
    }
    Ok(operands)
}

/// Result and gradients.
fn evaluate<const D: usize>(
    form: Form<D>,
    operands: &[Tensor],
    config: &ConvConfig<D>,
    dtype: DType,
) -> Result<Vec<Tensor>> {
    let vars = operands.iter().map(|t| Var::from_tensor(&t.to_dtype(dtype)?)).collect::<Result<Vec<_>>>()?;
    let y = form(&vars[0], &vars[1], vars.get(2).map(|b| &**b), config)?;
    let grads = weighted_sum(&y)?.backward()?;
    let gradients = vars.iter().map(|v| Ok(grads.get(v).expect("a gradient").clone()));
    std::iter::once(Ok(y)).chain(gradients).collect()
}

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

#[test]
fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
    let text = include_str!("../../../../fixtures/convolution/convolution.json");
    let file: serde_json::Value = serde_json::from_str(text).expect("the fixture");
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
    let sizes = |value: &serde_json::Value| -> Vec<usize> { serde_json::from_value(value.clone()).expect("sizes") };
    let setting = |name: &str| -> [usize; D] { sizes(&case[name]).try_into().expect("a number for each axis") };
    let groups = case["groups"].as_u64().expect("a number") as usize;
    let config = config(setting("stride"), setting("padding"), setting("dilation"), groups);
    let tensor = |name: &str| {
        let stored = case["tensors"].get(name)?;
        let values: Vec<f64> = serde_json::from_value(stored["values"].clone()).expect("numbers");
        Some(Tensor::from_vec(values, sizes(&stored["shape"]), &Device::Cpu).expect("a tensor"))
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
    let total = sizes.len() * kernels.len() * strides.len() * paddings.len() * dilations.len() * rest.len();
    let mut checked = 0;
    // Every 11th: the number has no divisor in common with the lengths, so that every setting meets every other.
    for mut i in (0..total).step_by(11) {
        let mut pick = |n: usize| {
            let k = i % n;
            i /= n;
            k
        };
        let (size, kernel, stride) = (sizes[pick(5)], kernels[pick(4)], strides[pick(4)]);
        let (padding, dilation, (images, groups, bias)) = (paddings[pick(3)], dilations[pick(3)], rest[pick(4)]);
        let config = config(stride, padding, dilation, groups);
        if !fits(size, kernel, &config) {
            continue;
        }
        let operands = operands(&[images, groups, size[0], size[1]], 2, &kernel, groups, bias)?;
        for (name, form) in forms::<2>() {
            println!("{name}: {size:?} {kernel:?} {config:?}");
            gradient::check(&operands, 2e-7, |t| weighted_sum(&form(&t[0], &t[1], t.get(2), &config)?))?;
        }
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
    Ok(())
}

#[test]
fn gradients_are_finite_differences_in_one_dimension() -> Result<()> {
    let mut checked = 0;
    for (size, kernel, stride, padding) in
        [(1, 1, 1, 0), (1, 3, 1, 1), (6, 5, 1, 0), (7, 2, 2, 1), (8, 3, 3, 2), (5, 4, 1, 3), (9, 3, 2, 0)]
    {
        for (dilation, images, groups, bias) in [(1, 1, 1, true), (2, 3, 1, false), (1, 2, 2, true), (3, 1, 2, false)] {
            let config = config([stride], [padding], [dilation], groups);
            if !fits([size], [kernel], &config) {
                continue;
            }
            let operands = operands(&[images, 2 * groups, size], 2 * groups, &[kernel], groups, bias)?;
            for (name, form) in forms::<1>() {
                println!("{name}: {size} {kernel} {config:?}");
                gradient::check(&operands, 2e-7, |t| weighted_sum(&form(&t[0], &t[1], t.get(2), &config)?))?;
            }
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
    Ok(())
}

#[test]
fn slopes_of_many_channels_are_finite_differences() -> Result<()> {
    // Channels enough for each of the fast forms; a difference along a few directions instead of one for each entry.
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
                        weighted_sum(&form(&moved[0], &moved[1], moved.get(2), &config)?)?.to_scalar()
                    };
                    let numeric = (value(1e-3)? - value(-1e-3)?) / 2e-3;
                    let slope: f64 = (&found[i + 1] * &direction)?.sum_all()?.to_scalar()?;
                    let gap = (slope - numeric).abs();
                    assert!(gap <= 1e-8 * numeric.abs().max(1.0), "{name}, input {i}: {slope}, {numeric}; {config:?}");
                }
            }
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
        // Half of the cases as Winograd's form wants them.
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
    // More than is handled at once in every form, and sizes that tiles divide and do not.
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
fn strange_layouts_are_read_right() -> Result<()> {
    let config = config([1, 1], [1, 1], [1, 1], 1);
    let dense = |t: &Tensor| Tensor::from_vec(t.flatten_all()?.to_vec1::<f64>()?, t.shape(), &Device::Cpu);
    // Transposed, repeated (stride 0), and a part of a larger tensor.
    let x = noise(&[7, 30, 5, 9], 1)?.transpose(0, 2)?.narrow(0, 1, 4)?;
    let weight = noise(&[1, 30, 3, 1], 2)?.broadcast_as((26, 30, 3, 3))?;
    let bias = noise(&[52], 3)?.narrow(0, 26, 26)?;
    for (_, form) in forms() {
        let found = form(&x, &weight, Some(&bias), &config)?;
        let expected = portable::conv(&dense(&x)?, &dense(&weight)?, Some(&dense(&bias)?), &config)?;
        assert!(difference(&found, &expected)? < 1e-13);
    }
    Ok(())
}

#[test]
fn bits_are_those_of_one_thread() -> Result<()> {
    let run = |threads: usize, dtype| -> Result<Vec<Vec<u64>>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(candle_core::Error::wrap)?;
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

#[test]
fn weights_start_as_the_settings_say() -> Result<()> {
    let store = ParamStore::new(3, DType::F64, &Device::Cpu);
    let vb = store.var_builder();
    let spread = |t: &Tensor| -> Result<(f64, f64)> {
        let v = t.flatten_all()?.to_vec1::<f64>()?;
        let square = v.iter().map(|v| v * v).sum::<f64>() / v.len() as f64;
        Ok((square.sqrt(), v.iter().fold(0.0, |m, v| v.abs().max(m))))
    };
    // in / groups * kernel = 8 * 5 and 8 * 15; out * kernel = 64 * 15.
    let line = Conv1d::new(16, 64, [5], ConvConfig { groups: 2, ..Default::default() }, vb.pp("line"))?;
    let bound = 1.0 / 40f64.sqrt();
    let (std, largest) = spread(line.weight())?;
    assert!(largest <= bound && (std * 3f64.sqrt() / bound - 1.0).abs() < 0.03, "{std} {largest}");
    let largest = spread(line.bias().expect("a bias, as in PyTorch"))?.1;
    assert!(largest <= bound && largest > 0.8 * bound);
    let plane = ConvConfig { groups: 2, bias: true, ..ConvConfig::before_norm() };
    let (std, largest) = spread(Conv2d::new(16, 64, [3, 5], plane, vb.pp("plane"))?.weight())?;
    let expected = (2.0 / (64.0 * 15.0f64)).sqrt();
    assert!((std / expected - 1.0).abs() < 0.03 && largest > 2.0 * expected, "{std} {largest}");
    let plane = ConvConfig { init: ConvInit::TorchUniform, ..plane };
    let (std, largest) = spread(Conv2d::new(16, 64, [3, 5], plane, vb.pp("uniform"))?.weight())?;
    let bound = 1.0 / 120f64.sqrt();
    assert!(largest <= bound && (std * 3f64.sqrt() / bound - 1.0).abs() < 0.03, "{std} {largest}");
    let mut names: Vec<String> = store.parameters().into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["line.bias", "line.weight", "plane.bias", "plane.weight", "uniform.bias", "uniform.weight"]);
    Ok(())
}

#[test]
fn bad_input_is_named() -> Result<()> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    let store = ParamStore::new(0, DType::F32, &Device::Cpu);
    let line = ConvConfig::<1>::default();
    let new = |inputs, outputs, kernel, config| {
        Conv1d::new(inputs, outputs, [kernel], config, store.var_builder().pp("x")).map(|_| ())
    };
    let mut cases: Vec<(Result<()>, &str)> = vec![
        (new(0, 2, 3, line), "conv1d: input channels = 0"),
        (new(2, 0, 3, line), "conv1d: output channels = 0"),
        (new(2, 2, 0, line), "conv1d: kernel = [0]"),
        (new(2, 2, 3, ConvConfig { dilation: [0], ..line }), "conv1d: dilation = [0]"),
        (
            new(4, 6, 3, ConvConfig { groups: 4, ..line }),
            "conv1d: groups = 4, expected a divisor of 4 input and 6 output",
        ),
        (new(4, 6, usize::MAX, line), "too many weights"),
    ];
    let weight = zeros(&[4, 3, 5]);
    let huge = 1 << 40;
    for (_, form) in forms::<1>() {
        let run =
            |x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config| form(x, weight, bias, &config).map(|_| ());
        cases.extend([
            (
                run(&zeros(&[1, 3, 5, 5]), &weight, None, line),
                "conv1d: input of shape [1, 3, 5, 5], expected [N, C, L]",
            ),
            (run(&zeros(&[1, 3, 0]), &weight, None, line), "is empty"),
            (run(&zeros(&[1, 2, 9]), &weight, None, line), "expected 3 input channels"),
            (run(&zeros(&[1, 3, 4]), &weight, None, line), "conv1d, length: a window of 5"),
            (
                run(&zeros(&[1, 3, 9]), &zeros(&[4, 3]), None, line),
                "conv1d: weight of shape [4, 3], expected 3 dimensions",
            ),
            (run(&zeros(&[1, 3, 9]), &zeros(&[0, 3, 5]), None, line), "none of them 0"),
            (run(&zeros(&[1, 3, 9]), &weight, Some(&zeros(&[3])), line), "conv1d: bias of shape [3], expected [4]"),
            (run(&zeros(&[1, 3, 9]), &weight, None, ConvConfig { stride: [0], ..line }), "stride = 0"),
            (run(&zeros(&[1, 3, 9]), &weight, None, ConvConfig { padding: [huge], ..line }), "too many windows"),
            (run(&zeros(&[1, 3, 9]), &weight, None, ConvConfig { padding: [usize::MAX / 2], ..line }), "conv1d"),
            (
                run(&zeros(&[1, 3, 9]), &weight.to_dtype(DType::F64)?, None, line),
                "conv1d: weight in F64 on Cpu, expected F32",
            ),
        ]);
    }
    let plane = ConvConfig::<2>::before_norm();
    for (_, form) in forms::<2>() {
        let run = |x: &Tensor, config| form(x, &zeros(&[4, 3, 3, 2]), None, &config).map(|_| ());
        cases.extend([
            (run(&zeros(&[3, 5, 5]), plane), "conv2d: input of shape [3, 5, 5], expected [N, C, H, W]"),
            (run(&zeros(&[1, 3, 2, 5]), plane), "conv2d, height: a window of 3"),
            (
                run(&zeros(&[1, 3, 3, 5]), ConvConfig { dilation: [1, 5], ..plane }),
                "conv2d, width: a window of 2 with dilation 5",
            ),
            (run(&zeros(&[1, 3, 3, 5]), ConvConfig { padding: [huge, huge], ..plane }), "conv2d"),
        ]);
    }
    for (i, (result, part)) in cases.into_iter().enumerate() {
        let message = result.expect_err(part).to_string();
        assert!(message.contains(part), "case {i}: {message}, expected {part}");
    }
    Ok(())
}

#[test]
fn a_layer_is_its_function() -> Result<()> {
    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    let config = ConvConfig { stride: [2], padding: [1], ..Default::default() };
    let layer = Conv1d::new(6, 8, [3], config, store.var_builder().pp("conv"))?;
    let x = noise(&[2, 6, 9], 1)?.to_dtype(DType::F32)?;
    let y = layer.forward(&x)?;
    assert_eq!(y.dims(), [2, 8, 5]);
    assert_eq!(layer.config(), &config);
    let expected = portable::conv(&x, layer.weight(), layer.bias(), &config)?;
    assert!(difference(&y, &expected)? < 1e-6);
    let half = portable::conv(&x.to_dtype(DType::BF16)?, &layer.weight().to_dtype(DType::BF16)?, None, &config)?;
    assert_eq!((half.dims(), half.dtype()), (y.dims(), DType::BF16));
    Ok(())
}
