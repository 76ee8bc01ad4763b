//! Saved states of optimizers and networks: through safetensors and back, and states that do not
//! fit.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use mbls_nn::{
    Adam, AdamConfig, AdamWConfig, Linear, Optimizer, OptimizerConfig, ParamStore, Result,
    SgdConfig,
};
use std::collections::{BTreeMap, HashMap};

type State = BTreeMap<String, Tensor>;

/// Saves and loads a state like a program that keeps it in a file.
fn through_a_file(state: State) -> Result<State> {
    let folder = std::env::temp_dir().join(format!("mbls-nn-state-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{:?}.safetensors", std::thread::current().id()));
    let state: HashMap<String, Tensor> = state.into_iter().collect();
    candle_core::safetensors::save(&state, &path)?;
    let read = candle_core::safetensors::load(&path, &Device::Cpu)?;
    std::fs::remove_file(&path).unwrap();
    Ok(read.into_iter().collect())
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    let values =
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

#[test]
fn a_run_goes_on_from_a_file_to_the_same_bits() -> Result<()> {
    let sgd = SgdConfig { momentum: 0.9, dampening: 0.2, weight_decay: 0.1, ..Default::default() };
    for config in [
        OptimizerConfig::Sgd(sgd),
        OptimizerConfig::Adam(AdamConfig::default()),
        OptimizerConfig::AdamW(AdamWConfig::default()),
    ] {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let make = |seed| -> Result<(ParamStore, Box<dyn Optimizer>)> {
                let store = ParamStore::new(seed, dtype, &Device::Cpu);
                Linear::new(5, 3, store.var_builder().pp("fc"))?;
                let optimizer = config.build(store.parameters())?;
                Ok((store, optimizer))
            };
            let step = |(store, optimizer): &mut (ParamStore, Box<dyn Optimizer>)| -> Result<()> {
                let mut grads = GradStore::default();
                for (_, var) in store.parameters() {
                    grads.insert(&var, (var.as_tensor().cos()? * 0.3)?.detach());
                }
                optimizer.step(&grads, 0.01)
            };
            let mut whole = make(1)?;
            (0..3).try_for_each(|_| step(&mut whole))?;
            let mut resumed = make(2)?;
            resumed.0.load_state(&through_a_file(whole.0.state())?)?;
            resumed.1.load_state(&through_a_file(whole.1.state())?)?;
            for _ in 0..3 {
                step(&mut whole)?;
                step(&mut resumed)?;
            }
            for (a, b) in
                [(whole.0.state(), resumed.0.state()), (whole.1.state(), resumed.1.state())]
            {
                assert!(a.keys().eq(b.keys()));
                assert!(a.keys().all(|name| name.starts_with("fc.")), "{:?}", a.keys());
                for (name, tensor) in &a {
                    assert_eq!(bytes(tensor), bytes(&b[name]), "{config:?} {dtype:?} {name}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn types_and_values_that_do_not_fit_are_listed_and_nothing_changes() -> Result<()> {
    let p = Var::new(&[1f32, 2.0], &Device::Cpu)?;
    let mut adam = Adam::new(vec![("p".into(), p.clone())], AdamConfig::default())?;
    adam.step(&p.sqr()?.sum_all()?.backward()?, 0.1)?;
    let before: Vec<Vec<u8>> = adam.state().values().map(bytes).collect();
    let good: State =
        adam.state().into_iter().map(|(name, t)| Ok((name, t.copy()?))).collect::<Result<_>>()?;
    let with = |name: &str, tensor: Tensor| -> Result<State> {
        let mut state = good.clone();
        state.insert(name.into(), tensor);
        Ok(state)
    };
    for (mut state, part) in [
        (
            with("p.exp_avg", Tensor::new(&[1i64, 1], &Device::Cpu)?)?,
            "the state of Adam does not fit: p.exp_avg: type I64, expected F32",
        ),
        (
            with("p.step", Tensor::new(-3i64, &Device::Cpu)?)?,
            "p.step: -3, expected a whole number of at least 0",
        ),
        (
            with("p.step", Tensor::new(2.5f32, &Device::Cpu)?)?,
            "p.step: 2.5, expected a whole number of at least 0",
        ),
        (
            with("p.step", Tensor::new(f32::NAN, &Device::Cpu)?)?,
            "p.step: NaN, expected a whole number of at least 0",
        ),
    ] {
        // One that fits and has new values.
        state.insert("p.exp_avg_sq".into(), Tensor::new(&[7f32, 7.0], &Device::Cpu)?);
        let message = adam.load_state(&state).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert!(adam.state().values().map(bytes).eq(before.iter().cloned()), "{part}");
    }
    // State written by another program in other types: PyTorch counts steps in f32.
    let mut state = with("p.step", Tensor::new(5f32, &Device::Cpu)?)?;
    state.insert("p.exp_avg".into(), Tensor::new(&[0.5f64, 0.25], &Device::Cpu)?);
    adam.load_state(&state)?;
    assert_eq!(adam.state()["p.step"].to_scalar::<i64>()?, 5);
    assert_eq!(adam.state()["p.exp_avg"].to_vec1::<f32>()?, [0.5, 0.25]);
    Ok(())
}

#[test]
fn a_network_takes_another_floating_point_type_but_no_integers() -> Result<()> {
    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    Linear::new(2, 1, store.var_builder().pp("fc"))?;
    let mut state: State = store.state();
    state.insert("fc.bias".into(), Tensor::new(&[0.5f64], &Device::Cpu)?);
    store.load_state(&state)?;
    assert_eq!(store.state()["fc.bias"].to_vec1::<f32>()?, [0.5]);
    state.insert("fc.bias".into(), Tensor::new(&[2i64], &Device::Cpu)?);
    state.insert("fc.weight".into(), Tensor::zeros((1, 2), DType::F32, &Device::Cpu)?);
    let message = store.load_state(&state).unwrap_err().to_string();
    assert!(message.contains("fc.bias: type I64, expected F32"), "{message}");
    assert_ne!(store.state()["fc.weight"].to_vec2::<f32>()?, [[0.0, 0.0]]);
    Ok(())
}
