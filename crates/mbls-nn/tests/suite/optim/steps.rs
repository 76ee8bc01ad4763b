//! Optimizer steps: PyTorch's values, states, invalid arguments, and parameters that stay
//! unchanged.

use super::two;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use mbls_nn::{
    Adam, AdamConfig, AdamWConfig, Optimizer, OptimizerConfig, Result, Sgd, SgdConfig,
    clip_grad_norm,
};
use mbls_testkit::golden;
use std::collections::BTreeMap;

#[test]
fn settings_out_of_range_are_named() -> Result<()> {
    let sgd = |config| Sgd::new(two()?, config).map(|_| ());
    let adam = |config| Adam::new(two()?, config).map(|_| ());
    let (s, a) = (SgdConfig::default(), AdamConfig::default());
    for (result, part) in [
        (sgd(SgdConfig { momentum: -0.1, ..s }), "momentum = -0.1"),
        (sgd(SgdConfig { weight_decay: f64::NAN, ..s }), "weight_decay = NaN"),
        (sgd(SgdConfig { nesterov: true, ..s }), "nesterov = true"),
        (adam(AdamConfig { beta1: 1.0, ..a }), "beta1 = 1"),
        (adam(AdamConfig { beta2: -0.1, ..a }), "beta2 = -0.1"),
        (adam(AdamConfig { eps: f64::INFINITY, ..a }), "eps = inf"),
        (Sgd::new([two()?, two()?].concat(), s).map(|_| ()), "parameter = a"),
        (Sgd::new(two()?, s)?.step(&GradStore::default(), f64::NAN), "learning_rate = NaN"),
        (clip_grad_norm(&two()?, &mut GradStore::default(), -1.0).map(|_| ()), "max_norm = -1"),
    ] {
        let message = result.expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
    Ok(())
}

#[test]
fn recipes_are_read_strictly() {
    let read = |json: &str| serde_json::from_str::<OptimizerConfig>(json);
    assert_eq!(read(r#"{"kind": "adam"}"#).unwrap(), OptimizerConfig::Adam(AdamConfig::default()));
    assert!(read(r#"{"kind": "adam", "momentum": 0.9}"#).is_err());
    assert!(read(r#"{"kind": "lion"}"#).is_err());
    let config = OptimizerConfig::Sgd(SgdConfig {
        momentum: 0.9,
        weight_decay: 1e-4,
        nesterov: true,
        ..Default::default()
    });
    assert_eq!(read(&serde_json::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn a_parameter_without_gradient_stays() -> Result<()> {
    for config in [
        OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, weight_decay: 0.1, ..Default::default() }),
        OptimizerConfig::Adam(AdamConfig::default()),
    ] {
        let parameters = two()?;
        let grads = parameters[0].1.sqr()?.sum_all()?.backward()?;
        config.build(parameters.clone())?.step(&grads, 0.1)?;
        assert_ne!(parameters[0].1.to_vec1::<f64>()?, [1.0, -1.0]);
        assert_eq!(parameters[1].1.to_vec1::<f64>()?, [2.0, -2.0]);
    }
    Ok(())
}

#[test]
fn a_gradient_that_does_not_fit_is_named_and_nothing_moves() -> Result<()> {
    for wrong in [Tensor::new(&[1f64], &Device::Cpu)?, Tensor::new(&[1f32, 1.0], &Device::Cpu)?] {
        let parameters = two()?;
        let mut grads = GradStore::default();
        grads.insert(&parameters[0].1, Tensor::new(&[1f64, 1.0], &Device::Cpu)?);
        grads.insert(&parameters[1].1, wrong);
        let result = Sgd::new(parameters.clone(), SgdConfig::default())?.step(&grads, 0.1);
        assert!(result.unwrap_err().to_string().starts_with("gradient of b"));
        assert_eq!(parameters[0].1.to_vec1::<f64>()?, [1.0, -1.0]);
    }
    Ok(())
}

#[test]
fn a_gradient_in_the_memory_that_a_step_writes_counts_as_it_was() -> Result<()> {
    let sgd = SgdConfig { momentum: 0.5, ..Default::default() };
    for config in [OptimizerConfig::Sgd(sgd), OptimizerConfig::Adam(AdamConfig::default())] {
        for dtype in [DType::F64, DType::BF16] {
            let make = || -> Result<_> {
                let var = |(name, var): (String, Var)| {
                    Ok((name, Var::from_tensor(&var.to_dtype(dtype)?)?))
                };
                let parameters = two()?.into_iter().map(var).collect::<Result<Vec<_>>>()?;
                let mut optimizer = config.build(parameters.clone())?;
                let mut grads = GradStore::default();
                for (_, var) in &parameters {
                    grads.insert(var, var.ones_like()?);
                }
                optimizer.step(&grads, 0.1)?;
                Ok((parameters, optimizer))
            };
            // The gradient of `a` is `b`, which is updated later; that of `b` is `a` or the first
            // entry of the state.
            let run = |own_memory: bool, state: bool| -> Result<Vec<Vec<f64>>> {
                let (parameters, mut optimizer) = make()?;
                let mut other = parameters[0].1.as_detached_tensor();
                if let (true, Some(first)) = (state, optimizer.state().into_values().next()) {
                    other = first.to_dtype(dtype)?;
                }
                let gradients = [parameters[1].1.as_detached_tensor(), other];
                let mut grads = GradStore::default();
                for ((_, var), gradient) in parameters.iter().zip(gradients) {
                    grads.insert(var, if own_memory { gradient.copy()? } else { gradient });
                }
                optimizer.step(&grads, 0.1)?;
                parameters
                    .iter()
                    .map(|(_, var)| Ok(var.to_dtype(DType::F64)?.to_vec1::<f64>()?))
                    .collect()
            };
            for state in [false, true] {
                assert_eq!(run(false, state)?, run(true, state)?, "{config:?} {dtype:?} {state}");
            }
        }
    }
    Ok(())
}

#[test]
fn half_precision_parameters_are_trained() -> Result<()> {
    for config in [
        OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, nesterov: true, ..Default::default() }),
        OptimizerConfig::Adam(AdamConfig::default()),
    ] {
        let p =
            Var::from_tensor(&Tensor::new(&[1f32, -1.0], &Device::Cpu)?.to_dtype(DType::BF16)?)?;
        let mut optimizer = config.build(vec![("p".into(), p.clone())])?;
        for _ in 0..3 {
            optimizer.step(&p.sqr()?.sum_all()?.backward()?, 0.05)?;
        }
        let moved = p.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        assert!(moved[0] < 0.9 && moved[0] > 0.0 && moved[0] == -moved[1], "{moved:?}");
    }
    Ok(())
}

#[test]
fn a_state_that_does_not_fit_is_listed_and_changes_nothing() -> Result<()> {
    let mut adam = Adam::new(two()?, AdamConfig::default())?;
    let mut state: BTreeMap<String, Tensor> = adam.state();
    assert_eq!(
        state.keys().collect::<Vec<_>>(),
        ["a.exp_avg", "a.exp_avg_sq", "a.step", "b.exp_avg", "b.exp_avg_sq", "b.step"]
    );
    state.remove("a.step");
    state.insert("c.exp_avg".into(), Tensor::new(0f64, &Device::Cpu)?);
    state.insert("a.exp_avg".into(), Tensor::new(&[5f64, 5.0, 5.0], &Device::Cpu)?);
    state.insert("b.exp_avg".into(), Tensor::new(&[5f64, 5.0], &Device::Cpu)?);
    let message = adam.load_state(&state).unwrap_err().to_string();
    for part in ["missing [a.step]", "unexpected [c.exp_avg]", "a.exp_avg: shape [3], expected [2]"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(adam.state()["b.exp_avg"].to_vec1::<f64>()?, [0.0, 0.0]);
    let sgd = Sgd::new(two()?, SgdConfig { momentum: 0.5, ..Default::default() })?;
    assert_eq!(
        sgd.state().into_keys().collect::<Vec<_>>(),
        ["a.momentum_buffer", "b.momentum_buffer"]
    );
    assert!(Sgd::new(two()?, SgdConfig::default())?.state().is_empty());
    Ok(())
}

#[test]
fn small_steps_of_half_precision_parameters_add_up() -> Result<()> {
    for config in [
        OptimizerConfig::Sgd(SgdConfig::default()),
        OptimizerConfig::Adam(AdamConfig::default()),
        OptimizerConfig::AdamW(AdamWConfig::default()),
    ] {
        let p = Var::from_tensor(&Tensor::new(&[1f32], &Device::Cpu)?.to_dtype(DType::BF16)?)?;
        let value = || -> Result<f32> { Ok(p.to_dtype(DType::F32)?.to_vec1::<f32>()?[0]) };
        let mut optimizer = config.build(vec![("p".into(), p.clone())])?;
        let mut grads = GradStore::default();
        grads.insert(&p, Tensor::new(&[1f32], &Device::Cpu)?.to_dtype(DType::BF16)?);
        // The distance from 1 to the next smaller bf16 is 1/256: a hundredth of that is lost in
        // each single step.
        for _ in 0..1000 {
            optimizer.step(&grads, 1.0 / 25600.0)?;
        }
        assert!((value()? - (1.0 - 1000.0 / 25600.0)).abs() < 4e-3, "{config:?}: {}", value()?);
        assert!(optimizer.state().contains_key("p.master"));
        // A value set from outside is used.
        p.set(&Tensor::new(&[5f32], &Device::Cpu)?.to_dtype(DType::BF16)?)?;
        optimizer.step(&grads, 1.0 / 25600.0)?;
        assert!((value()? - 5.0).abs() < 0.02, "{config:?}: {}", value()?);
    }
    Ok(())
}

#[test]
fn steps_are_those_of_pytorch_and_go_on_bit_identically_from_a_state() -> Result<()> {
    let fixture = golden::fixture("optim/steps.json");
    let numbers = |value: &serde_json::Value| {
        serde_json::from_value::<Option<Vec<f64>>>(value.clone()).unwrap()
    };
    let rate = fixture["learning_rate"].as_f64().unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let config: OptimizerConfig = serde_json::from_value(case["config"].clone()).unwrap();
        let make = |start: &[f64]| -> Result<_> {
            let p = Var::new(start, &Device::Cpu)?;
            Ok((p.clone(), config.build(vec![("p".into(), p)])?))
        };
        let step = |(p, optimizer): &mut (Var, Box<dyn Optimizer>),
                    gradient: &serde_json::Value|
         -> Result<Vec<f64>> {
            let mut grads = GradStore::default();
            if let Some(gradient) = numbers(gradient) {
                grads.insert(p, Tensor::new(gradient, &Device::Cpu)?);
            }
            optimizer.step(&grads, rate)?;
            Ok(p.to_vec1::<f64>()?)
        };
        let mut whole = make(&numbers(&fixture["start"]).unwrap())?;
        let gradients = fixture["gradients"].as_array().unwrap();
        for (gradient, expected) in gradients.iter().zip(case["values"].as_array().unwrap()) {
            let mut resumed = make(&whole.0.to_vec1::<f64>()?)?;
            resumed.1.load_state(&whole.1.state())?;
            let found = step(&mut whole, gradient)?;
            assert_eq!(found, step(&mut resumed, gradient)?, "{config:?}: resumed");
            for (found, expected) in found.iter().zip(numbers(expected).unwrap()) {
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{config:?}: {found}, expected {expected}"
                );
            }
        }
    }
    Ok(())
}
