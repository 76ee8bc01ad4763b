//! Convolution over time compared with PyTorch, the portable back end, finite differences and other
//! numbers of threads.

use crate::support::{bits, cpu, difference, noise, portable, stored_tensor, weighted_sum};
use candle_core::{DType, Device, Result, Tensor, Var};
use mbls_nn::{Conv1dChannelsLast, ConvEpilogue, ParamStore, no_grad};
use mbls_testkit::{golden, gradient};

type Form = fn(&Tensor, &Tensor, &Tensor, ConvEpilogue) -> Result<Tensor>;

const FORMS: [Form; 2] = [cpu::conv1d_channels_last, portable::conv1d_channels_last];

const AFTER: [ConvEpilogue; 6] = [
    ConvEpilogue::Nothing,
    ConvEpilogue::Relu,
    ConvEpilogue::ReluMaxPool(1),
    ConvEpilogue::ReluMaxPool(2),
    ConvEpilogue::ReluMaxPool(4),
    ConvEpilogue::ReluMax,
];

/// `x`, weight and bias of `[N, L, C, O, k]`.
fn inputs([n, l, c, o, k]: [usize; 5]) -> Result<[Tensor; 3]> {
    Ok([noise(&[n, l, c], 1)?, noise(&[o, c, k], 2)?, noise(&[o], 3)?])
}

/// The result and the gradients of all inputs.
fn all(form: Form, inputs: &[Tensor; 3], then: ConvEpilogue) -> Result<Vec<Tensor>> {
    let vars = inputs.each_ref().map(Var::from_tensor);
    let [x, weight, bias] = vars.each_ref().map(|v| v.as_ref().expect("a variable"));
    let y = form(x, weight, bias, then)?;
    let grads = weighted_sum(&y)?.backward()?;
    let grads = [x, weight, bias].map(|v| grads.get(v).expect("a gradient").clone());
    Ok([&[y.detach()], &grads[..]].concat())
}

#[test]
fn both_forms_agree_with_finite_differences() -> Result<()> {
    for sizes in [[2, 7, 3, 4, 3], [1, 5, 2, 3, 2], [3, 6, 1, 2, 1]] {
        for then in AFTER {
            for form in FORMS {
                println!("{sizes:?} {then:?}");
                gradient::check(&inputs(sizes)?, 2e-7, |t| {
                    weighted_sum(&form(&t[0], &t[1], &t[2], then)?)
                })?;
            }
        }
    }
    Ok(())
}

#[test]
fn both_forms_agree_at_sizes_that_are_cut() -> Result<()> {
    // More sequences than tasks, channel counts that are not a multiple of a vector, and a kernel
    // as long as the sequence.
    for sizes in [[67, 23, 5, 19, 4], [2, 40, 17, 33, 5], [33, 9, 3, 2, 1], [2, 5, 3, 8, 5]] {
        for then in AFTER.into_iter().filter(|&then| sizes[1] > 5 || then == ConvEpilogue::ReluMax)
        {
            let [found, expected] = FORMS.map(|form| all(form, &inputs(sizes)?, then));
            for (i, (found, expected)) in found?.iter().zip(&expected?).enumerate() {
                let gap = difference(found, expected)?;
                assert!(gap < 1e-13, "{sizes:?} {then:?}, {i}: {gap}");
            }
        }
    }
    Ok(())
}

#[test]
fn pytorch_agrees() -> Result<()> {
    let file = golden::fixture("sequence-layers/layers.json");
    let mut tested = 0;
    for case in
        file["cases"].as_array().expect("cases").iter().filter(|case| case["kind"] == "conv")
    {
        let then = match case["then"].as_str().expect("then") {
            "nothing" => ConvEpilogue::Nothing,
            "relu" => ConvEpilogue::Relu,
            "max_pool" => {
                ConvEpilogue::ReluMaxPool(case["pool"].as_u64().expect("a size") as usize)
            }
            _ => ConvEpilogue::ReluMax,
        };
        for form in FORMS {
            let names = ["x", "weight", "bias"];
            let vars = names.map(|name| {
                Var::from_tensor(&stored_tensor(&case["tensors"][name]).expect(name)).expect(name)
            });
            let y = form(&vars[0], &vars[1], &vars[2], then)?;
            assert!(difference(&y, &stored_tensor(&case["y"])?)? < 1e-14, "{case}");
            let cosines = (0..y.elem_count()).map(|i| (i as f64).cos()).collect();
            let gradients = (&y * Tensor::from_vec(cosines, y.shape(), &Device::Cpu)?)?
                .sum_all()?
                .backward()?;
            for (name, var) in names.iter().zip(&vars) {
                let gap = difference(
                    gradients.get(var).expect(name),
                    &stored_tensor(&case["gradients"][name])?,
                )?;
                assert!(gap < 1e-13, "{name}: {gap}: {case}");
            }
            tested += 1;
        }
    }
    assert!(tested > 20, "{tested} cases");
    Ok(())
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads_or_on_a_history() -> Result<()> {
    let inputs = inputs([70, 30, 6, 17, 3])?.map(|t| t.to_dtype(DType::F32).expect("f32"));
    for then in AFTER {
        let on = |threads: usize| -> Result<Vec<Vec<u64>>> {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .map_err(candle_core::Error::wrap)?;
            pool.install(|| {
                all(cpu::conv1d_channels_last, &inputs, then)?.iter().map(bits).collect()
            })
        };
        let one = on(1)?;
        assert!(on(2)? == one && on(5)? == one, "{then:?}");
        let [x, weight, bias] = &inputs;
        let var = Var::from_tensor(weight)?;
        let without = no_grad(|| cpu::conv1d_channels_last(x, &var, bias, then))?;
        assert!(!without.track_op() && bits(&without)? == one[0], "{then:?}");
    }
    Ok(())
}

#[test]
fn gradients_that_are_not_needed_are_not_computed() -> Result<()> {
    let [x, weight, bias] = inputs([3, 8, 2, 4, 3])?;
    for then in AFTER {
        let expected =
            all(cpu::conv1d_channels_last, &[x.clone(), weight.clone(), bias.clone()], then)?;
        for wanted in 0..3 {
            let vars = [&x, &weight, &bias].map(|t| Var::from_tensor(t).expect("a variable"));
            let pick = |i: usize| {
                if i == wanted { vars[i].as_tensor().clone() } else { vars[i].as_detached_tensor() }
            };
            let grads =
                weighted_sum(&cpu::conv1d_channels_last(&pick(0), &pick(1), &pick(2), then)?)?
                    .backward()?;
            for (i, var) in vars.iter().enumerate() {
                match grads.get(var) {
                    Some(grad) if i == wanted => {
                        assert_eq!(bits(grad)?, bits(&expected[1 + i])?, "{then:?} {i}");
                    }
                    other => assert!(other.is_none() && i != wanted, "{then:?} {i}"),
                }
            }
        }
    }
    Ok(())
}

#[test]
fn infinities_and_nan_go_where_they_should() -> Result<()> {
    // The last NaN of a window is its maximum, and ReLU passes it; a negative infinity does not
    // pass.
    let x = Tensor::new(&[1.0, f64::NAN, -2.0, f64::NEG_INFINITY, 3.0, 4.0], &Device::Cpu)?
        .reshape((1, 6, 1))?;
    let [weight, bias] = [
        Tensor::ones((1, 1, 1), DType::F64, &Device::Cpu)?,
        Tensor::zeros(1, DType::F64, &Device::Cpu)?,
    ];
    for form in FORMS {
        let y = form(&x, &weight, &bias, ConvEpilogue::ReluMaxPool(2))?
            .flatten_all()?
            .to_vec1::<f64>()?;
        assert!(y[0].is_nan() && y[1].is_nan());
        assert_eq!(y[2..], [0.0, 3.0, 4.0]);
        assert!(form(&x, &weight, &bias, ConvEpilogue::ReluMax)?.to_vec2::<f64>()?[0][0].is_nan());
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let [x, weight, bias] = inputs([2, 6, 3, 4, 3])?;
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F64, &Device::Cpu);
    let plain = ConvEpilogue::Nothing;
    for form in FORMS {
        for (result, expected) in [
            (form(&zeros(&[6, 3])?, &weight, &bias, plain), "input of shape [6, 3]"),
            (form(&zeros(&[2, 6, 2])?, &weight, &bias, plain), "expected equal channels"),
            (form(&zeros(&[0, 6, 3])?, &weight, &bias, plain), "no size 0"),
            (form(&x, &weight, &zeros(&[3])?, plain), "bias of shape [3], expected [4]"),
            (form(&x.to_dtype(DType::F32)?, &weight, &bias, plain), "weight in F64"),
            (
                form(&zeros(&[2, 2, 3])?, &weight, &bias, plain),
                "sequences of 2 entries, expected at least 3",
            ),
            (
                form(&x, &weight, &bias, ConvEpilogue::ReluMaxPool(5)),
                "sequences of 6 entries, expected at least 7",
            ),
            (
                form(&x, &weight, &bias, ConvEpilogue::ReluMaxPool(0)),
                "maxima of 0 neighbours, expected 1 to 256",
            ),
            (form(&x, &weight, &bias, ConvEpilogue::ReluMaxPool(257)), "maxima of 257 neighbours"),
        ] {
            let error = result.expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}, expected {expected}");
        }
    }
    let store = ParamStore::new(0, DType::F32, &Device::Cpu);
    assert!(Conv1dChannelsLast::new(0, 1, 1, store.var_builder()).is_err());
    assert!(Conv1dChannelsLast::new(usize::MAX, 1, 2, store.var_builder()).is_err());
    Ok(())
}

/// In half precision the portable back end is used.
#[test]
fn other_types_take_the_portable_form() -> Result<()> {
    let store = ParamStore::new(0, DType::BF16, &Device::Cpu);
    let layer = Conv1dChannelsLast::new(3, 4, 3, store.var_builder())?;
    let x = noise(&[2, 6, 3], 1)?.to_dtype(DType::BF16)?;
    let y = layer.forward_with(&x, ConvEpilogue::ReluMaxPool(2))?;
    assert_eq!((y.dims(), y.dtype()), (&[2, 3, 4][..], DType::BF16));
    Ok(())
}
