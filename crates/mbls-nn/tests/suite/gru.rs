//! Gated recurrent units compared with PyTorch, the portable back end, finite differences and other
//! numbers of threads.

use crate::support::{bits, cpu, difference, noise, portable, stored_tensor, weighted_sum};
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarBuilder;
use mbls_nn::{Gru, ParamStore, no_grad};
use mbls_testkit::{golden, gradient};
use std::collections::HashMap;

type Form = fn(&Tensor, &Tensor, &Tensor, &[usize], bool) -> Result<Tensor>;

const FORMS: [Form; 2] = [cpu::gru, portable::gru];

/// Returns gates, weight and bias of `[N, L, H]`.
fn inputs([n, l, h]: [usize; 3]) -> Result<[Tensor; 3]> {
    Ok([noise(&[n, l, 3 * h], 1)?, noise(&[3 * h, h], 2)?, noise(&[3 * h], 3)?])
}

/// Returns the result and the gradients of all inputs.
fn all(
    form: Form,
    inputs: &[Tensor; 3],
    padding: &[usize],
    backwards: bool,
) -> Result<Vec<Tensor>> {
    let vars = inputs.each_ref().map(|t| Var::from_tensor(t).expect("a variable"));
    let y = form(&vars[0], &vars[1], &vars[2], padding, backwards)?;
    let grads = weighted_sum(&y)?.backward()?;
    let grads = vars.each_ref().map(|v| grads.get(v).expect("a gradient").clone());
    Ok([&[y.detach()], &grads[..]].concat())
}

#[test]
fn both_forms_agree_with_finite_differences() -> Result<()> {
    for (sizes, padding) in [([2, 4, 3], &[0, 0][..]), ([3, 5, 2], &[0, 3, 5]), ([1, 1, 1], &[0])] {
        for (form, backwards) in FORMS.into_iter().flat_map(|form| [(form, false), (form, true)]) {
            gradient::check(&inputs(sizes)?, 2e-7, |t| {
                weighted_sum(&form(&t[0], &t[1], &t[2], padding, backwards)?)
            })?;
        }
    }
    Ok(())
}

#[test]
fn both_forms_agree_for_many_sequences() -> Result<()> {
    // Several tasks, the last of them not full.
    let padding: Vec<usize> = (0..37).map(|n| n * 5 % 8).collect();
    for backwards in [false, true] {
        let [found, expected] =
            FORMS.map(|form| all(form, &inputs([37, 7, 5])?, &padding, backwards));
        for (i, (found, expected)) in found?.iter().zip(&expected?).enumerate() {
            let gap = difference(found, expected)?;
            assert!(gap < 1e-13, "{backwards}, {i}: {gap}");
        }
    }
    Ok(())
}

#[test]
fn pytorch_agrees() -> Result<()> {
    let file = golden::fixture("sequence-layers/layers.json");
    let mut tested = 0;
    for case in file["cases"].as_array().expect("cases").iter().filter(|case| case["kind"] == "gru")
    {
        let names = case["tensors"].as_object().expect("tensors").keys();
        let vars: HashMap<String, Var> = names
            .map(|name| {
                (
                    name.clone(),
                    Var::from_tensor(&stored_tensor(&case["tensors"][name]).expect(name))
                        .expect(name),
                )
            })
            .collect();
        let tensors =
            vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let x = &vars["x"];
        let (hidden, both) =
            (vars["weight_hh_l0"].dims()[1], vars.contains_key("weight_hh_l0_reverse"));
        let gru = Gru::new(
            x.dims()[2],
            hidden,
            both,
            VarBuilder::from_tensors(tensors, DType::F64, &Device::Cpu),
        )?;
        let padding: Vec<usize> = match case["lengths"].as_array() {
            Some(lengths) => lengths
                .iter()
                .map(|l| x.dims()[1] - l.as_u64().expect("a length") as usize)
                .collect(),
            None => vec![0; x.dims()[0]],
        };
        let found = gru.forward_padded(x, &padding)?;
        let y = if case["last"] == true { found.last } else { found.results };
        assert!(difference(&y, &stored_tensor(&case["y"])?)? < 1e-14, "{case}");
        let cosines = (0..y.elem_count()).map(|i| (i as f64).cos()).collect();
        let gradients =
            (&y * Tensor::from_vec(cosines, y.shape(), &Device::Cpu)?)?.sum_all()?.backward()?;
        for (name, var) in &vars {
            let gap = difference(
                gradients.get(var).expect(name),
                &stored_tensor(&case["gradients"][name])?,
            )?;
            assert!(gap < 1e-13, "{name}: {gap}: {case}");
        }
        tested += 1;
    }
    assert!(tested >= 6, "{tested} cases");
    Ok(())
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads_or_on_a_history() -> Result<()> {
    let inputs = inputs([70, 9, 6])?.map(|t| t.to_dtype(DType::F32).expect("f32"));
    let padding: Vec<usize> = (0..70).map(|n| n % 4).collect();
    let on = |threads: usize| -> Result<Vec<Vec<u64>>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(candle_core::Error::wrap)?;
        pool.install(|| all(cpu::gru, &inputs, &padding, true)?.iter().map(bits).collect())
    };
    let one = on(1)?;
    assert!(on(2)? == one && on(5)? == one);
    let [gates, weight, bias] = &inputs;
    let var = Var::from_tensor(weight)?;
    let without = no_grad(|| cpu::gru(gates, &var, bias, &padding, true))?;
    assert!(!without.track_op() && bits(&without)? == one[0]);
    Ok(())
}

/// The values in the padding do not matter, and a text without padding gives the same result.
#[test]
fn padding_is_not_seen() -> Result<()> {
    let store = ParamStore::new(3, DType::F64, &Device::Cpu);
    let gru = Gru::new(3, 4, true, store.var_builder())?;
    let text = noise(&[1, 3, 3], 5)?;
    let expected = gru.forward_padded(&text, &[0])?.last;
    for salt in [6, 7] {
        let padded = Tensor::cat(&[&noise(&[1, 2, 3], salt)?, &text], 1)?;
        let found = gru.forward_padded(&padded, &[2])?;
        assert!(difference(&found.last, &expected)? < 1e-15);
        assert_eq!(found.results.narrow(1, 0, 2)?.abs()?.sum_all()?.to_scalar::<f64>()?, 0.0);
        let nothing = gru.forward_padded(&padded, &[5])?.last;
        assert_eq!(nothing.abs()?.sum_all()?.to_scalar::<f64>()?, 0.0);
    }
    Ok(())
}

#[test]
fn names_are_pytorchs_and_what_does_not_fit_is_named() -> Result<()> {
    let store = ParamStore::new(3, DType::F32, &Device::Cpu);
    let gru = Gru::new(3, 4, true, store.var_builder().pp("gru"))?;
    let parts = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];
    let names =
        ["", "_reverse"].iter().flat_map(|end| parts.map(|part| format!("gru.{part}_l0{end}")));
    assert_eq!(store.names(), names.collect::<Vec<_>>());
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
    for (result, expected) in [
        (
            gru.forward_padded(&zeros(&[2, 3])?, &[0, 0]),
            "input of shape [2, 3], expected [N, L, 3]",
        ),
        (
            gru.forward_padded(&zeros(&[2, 5, 4])?, &[0, 0]),
            "input of shape [2, 5, 4], expected [N, L, 3]",
        ),
        (gru.forward_padded(&zeros(&[0, 5, 3])?, &[]), "none of them 0"),
        (
            gru.forward_padded(&zeros(&[2, 5, 3])?, &[0]),
            "padding = [0], expected 2 numbers of at most 5",
        ),
        (
            gru.forward_padded(&zeros(&[2, 5, 3])?, &[0, 6]),
            "padding = [0, 6], expected 2 numbers of at most 5",
        ),
    ] {
        let error = result.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
    assert!(Gru::new(3, 0, true, store.var_builder()).is_err());
    assert!(Gru::new(usize::MAX, 3, true, store.var_builder()).is_err());
    Ok(())
}
