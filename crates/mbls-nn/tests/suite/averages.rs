//! Averages of weights compared with values of PyTorch's `AveragedModel`.

use crate::support::{bits, noise};
use candle_core::{DType, Device, Tensor, Var};
use mbls_nn::{BatchNorm1d, Ema, EmaConfig, Error, Linear, ParamStore, Result};
use mbls_testkit::golden;
use std::collections::BTreeMap;

fn network(seed: u64, dtype: DType) -> Result<ParamStore> {
    let store = ParamStore::new(seed, dtype, &Device::Cpu);
    Linear::new(2, 2, store.var_builder().pp("fc"))?;
    BatchNorm1d::new(2, store.var_builder().pp("bn"))?;
    Ok(store)
}

fn all_bits(tensors: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Vec<u64>>> {
    tensors.into_iter().map(|(name, t)| Ok((name, bits(&t.to_dtype(DType::F64)?)?))).collect()
}

/// Sets the weights to values that a training could have at `step`.
fn train(store: &ParamStore, step: u64) -> Result<()> {
    for (i, (_, var)) in store.parameters().into_iter().chain(store.buffers()).enumerate() {
        var.set(&noise(var.dims(), 10 * step + i as u64)?.to_dtype(var.dtype())?)?;
    }
    Ok(())
}

#[test]
fn averages_are_those_of_pytorch_and_go_on_bit_identically_from_a_state() -> Result<()> {
    let fixture = golden::fixture("optim/averages.json");
    let tensors = |value: &serde_json::Value| {
        serde_json::from_value::<BTreeMap<String, Vec<f64>>>(value.clone()).unwrap()
    };
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() >= 5);
    for case in cases {
        let config: EmaConfig = serde_json::from_value(case["config"].clone()).unwrap();
        for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
            let (store, other) = (network(1, dtype)?, network(1, dtype)?);
            let (mut ema, mut resumed) = (Ema::new(&store, config)?, Ema::new(&other, config)?);
            let steps = fixture["values"]
                .as_array()
                .unwrap()
                .iter()
                .zip(case["averages"].as_array().unwrap());
            for (values, expected) in steps {
                for (name, values) in tensors(values) {
                    for store in [&store, &other] {
                        let mut vars = store.parameters().into_iter().chain(store.buffers());
                        let (_, var) = vars.find(|(other, _)| *other == name).unwrap();
                        var.set(
                            &Tensor::new(&values[..], &Device::Cpu)?
                                .reshape(var.shape())?
                                .to_dtype(dtype)?,
                        )?;
                    }
                }
                resumed.load_state(&ema.state())?;
                ema.update()?;
                resumed.update()?;
                assert_eq!(all_bits(ema.state())?, all_bits(resumed.state())?);
                let (found, expected) = (ema.averages(), tensors(expected));
                assert!(found.keys().eq(expected.keys()), "{:?}", found.keys());
                for (name, tensor) in found {
                    let found = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
                    for (f, e) in found.iter().zip(&expected[&name]) {
                        assert!(
                            (f - e).abs() <= tolerance * (1.0 + e.abs()),
                            "{config:?} {name}: {f}, expected {e}"
                        );
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn weights_are_restored_bit_identically() -> Result<()> {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let store = network(1, dtype)?;
        let mut ema = Ema::new(
            &store,
            EmaConfig { decay: 0.5, average_buffers: true, ..Default::default() },
        )?;
        for step in 0..3 {
            train(&store, step)?;
            ema.update()?;
        }
        let (own, averages) = (all_bits(store.state())?, ema.averages());
        // In a store of half precision batch norm stays in f32.
        let types = store.state();
        let averages: BTreeMap<_, _> = averages
            .into_iter()
            .map(|(name, t)| Ok((name.clone(), t.to_dtype(types[&name].dtype())?)))
            .collect::<Result<_>>()?;
        let averages = all_bits(averages)?;
        assert!(own.iter().all(|(name, values)| *values != averages[name]));
        let state = all_bits(ema.state())?;
        for explicit in [true, false] {
            let swapped = ema.swap_in()?;
            assert_eq!(all_bits(store.state())?, averages);
            // Changes that an evaluation makes by mistake are undone too.
            train(&store, 7)?;
            if explicit {
                swapped.swap_out()?;
            } else {
                drop(swapped);
            }
            assert_eq!(all_bits(store.state())?, own);
        }
        assert_eq!(all_bits(ema.state())?, state);
    }
    Ok(())
}

#[test]
fn averages_of_half_precision_weights_are_f32_and_counts_are_copied() -> Result<()> {
    let p = Var::from_tensor(&Tensor::new(&[1f32], &Device::Cpu)?.to_dtype(DType::BF16)?)?;
    let count = Var::new(1i64, &Device::Cpu)?;
    let config = EmaConfig { decay: 0.999, average_buffers: true, ..Default::default() };
    let named = |name: &str, var: &Var| vec![(name.to_owned(), var.clone())];
    let mut ema = Ema::of(named("p", &p), named("count", &count), config)?;
    ema.update()?;
    p.set(&Tensor::new(&[0f32], &Device::Cpu)?.to_dtype(DType::BF16)?)?;
    count.set(&Tensor::new(5i64, &Device::Cpu)?)?;
    for _ in 0..10 {
        ema.update()?;
    }
    let average = ema.averages()["p"].to_vec1::<f32>()?[0];
    assert!((f64::from(average) - 0.999f64.powi(10)).abs() < 1e-6, "{average}");
    assert_eq!(ema.averages()["count"].to_scalar::<i64>()?, 5);
    assert_eq!(ema.state()["n_averaged"].to_scalar::<i64>()?, 11);
    Ok(())
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() -> Result<()> {
    let run = |threads| -> Result<Vec<u64>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(candle_core::Error::wrap)?;
        pool.install(|| {
            let p = Var::from_tensor(&noise(&[100_001], 1)?.to_dtype(DType::F32)?)?;
            let mut ema = Ema::of(vec![("p".into(), p.clone())], Vec::new(), EmaConfig::default())?;
            ema.update()?;
            p.set(&noise(&[100_001], 2)?.to_dtype(DType::F32)?)?;
            ema.update()?;
            Ok(bits(&ema.averages()["p"])?)
        })
    };
    let one = run(1)?;
    assert!(one == run(2)? && one == run(3)?);
    Ok(())
}

#[test]
fn what_does_not_fit_is_named_and_changes_nothing() -> Result<()> {
    let store = network(1, DType::F32)?;
    for decay in [-0.1, 1.5, f64::NAN] {
        let message =
            Ema::new(&store, EmaConfig { decay, ..Default::default() }).unwrap_err().to_string();
        assert!(message.contains(&format!("decay = {decay}: expected 0 to 1")), "{message}");
    }
    let twice = [store.parameters(), store.parameters()].concat();
    assert!(matches!(Ema::of(twice, Vec::new(), EmaConfig::default()), Err(Error::Setting { .. })));
    let mut ema = Ema::new(&store, EmaConfig::default())?;
    let before = all_bits(ema.state())?;
    let mut state = ema.state();
    state.insert("module.fc.bias".into(), Tensor::new(&[7f32, 7.0], &Device::Cpu)?);
    state.insert("n_averaged".into(), Tensor::new(-1i64, &Device::Cpu)?);
    let message = ema.load_state(&state).unwrap_err().to_string();
    assert!(message.contains("n_averaged: -1"), "{message}");
    state.remove("module.bn.running_var");
    let message = ema.load_state(&state).unwrap_err().to_string();
    assert!(message.contains("missing [module.bn.running_var]"), "{message}");
    assert_eq!(all_bits(ema.state())?, before);
    // The averages are a valid state of the network.
    train(&store, 3)?;
    store.load_state(&ema.averages())?;
    assert_eq!(all_bits(store.state())?, all_bits(ema.averages())?);
    Ok(())
}
