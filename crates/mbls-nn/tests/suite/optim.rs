//! What optimizers and the parameter store refuse, and what they leave alone.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use mbls_nn::{
    Adam, AdamConfig, AdamWConfig, BatchNorm2d, Linear, Optimizer, OptimizerConfig, ParamGroup, ParamStore, Parameters,
    Result, Sgd, SgdConfig, clip_grad_norm, clip_grad_value,
};
use std::collections::BTreeMap;

fn two() -> Result<Vec<(String, Var)>> {
    let var = |v: f64| Var::new(&[v, -v], &Device::Cpu);
    Ok(vec![("a".into(), var(1.0)?), ("b".into(), var(2.0)?)])
}

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
    let config =
        OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, weight_decay: 1e-4, nesterov: true, ..Default::default() });
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
                let var = |(name, var): (String, Var)| Ok((name, Var::from_tensor(&var.to_dtype(dtype)?)?));
                let parameters = two()?.into_iter().map(var).collect::<Result<Vec<_>>>()?;
                let mut optimizer = config.build(parameters.clone())?;
                let mut grads = GradStore::default();
                for (_, var) in &parameters {
                    grads.insert(var, var.ones_like()?);
                }
                optimizer.step(&grads, 0.1)?;
                Ok((parameters, optimizer))
            };
            // The gradient of `a` is `b`, which is stepped later, that of `b` is `a` or the first entry of the state.
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
                parameters.iter().map(|(_, var)| Ok(var.to_dtype(DType::F64)?.to_vec1::<f64>()?)).collect()
            };
            for state in [false, true] {
                assert_eq!(run(false, state)?, run(true, state)?, "{config:?} {dtype:?} {state}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_norm_that_is_not_finite_is_returned_and_scales_nothing() -> Result<()> {
    for value in [f64::NAN, f64::INFINITY] {
        let parameters = two()?;
        let mut grads = GradStore::default();
        grads.insert(&parameters[0].1, Tensor::new(&[value, 3.0], &Device::Cpu)?);
        let norm = clip_grad_norm(&parameters, &mut grads, 1.0)?;
        assert!(!norm.is_finite());
        assert_eq!(grads.get(&parameters[0].1).unwrap().to_vec1::<f64>()?[1], 3.0);
    }
    Ok(())
}

#[test]
fn a_small_gradient_is_not_scaled_and_one_seen_transposed_is() -> Result<()> {
    let p = Var::new(&[[1f64, 2.0], [3.0, 4.0]], &Device::Cpu)?;
    let parameters = vec![("p".to_string(), p.clone())];
    let grad = Tensor::new(&[[0.1f64, 0.2], [0.3, 0.4]], &Device::Cpu)?.t()?;
    let mut grads = GradStore::default();
    grads.insert(&p, grad.clone());
    assert!((clip_grad_norm(&parameters, &mut grads, 1.0)? - 0.3f64.sqrt()).abs() < 1e-12);
    assert_eq!(grads.get(&p).unwrap().to_vec2::<f64>()?, grad.to_vec2::<f64>()?);
    Sgd::new(parameters, SgdConfig::default())?.step(&grads, 1.0)?;
    assert_eq!(p.to_vec2::<f64>()?, [[0.9, 1.7], [2.8, 3.6]]);
    Ok(())
}

#[test]
fn half_precision_parameters_are_trained() -> Result<()> {
    for config in [
        OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, nesterov: true, ..Default::default() }),
        OptimizerConfig::Adam(AdamConfig::default()),
    ] {
        let p = Var::from_tensor(&Tensor::new(&[1f32, -1.0], &Device::Cpu)?.to_dtype(DType::BF16)?)?;
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
    for part in ["missing [a.step]", "unexpected [c.exp_avg]", "a.exp_avg: shape [3], expected [2]"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(adam.state()["b.exp_avg"].to_vec1::<f64>()?, [0.0, 0.0]);
    let sgd = Sgd::new(two()?, SgdConfig { momentum: 0.5, ..Default::default() })?;
    assert_eq!(sgd.state().into_keys().collect::<Vec<_>>(), ["a.momentum_buffer", "b.momentum_buffer"]);
    assert!(Sgd::new(two()?, SgdConfig::default())?.state().is_empty());
    Ok(())
}

#[test]
fn groups_set_rate_and_decay() -> Result<()> {
    // Without momentum a step is p - lr factor (g + decay p), here with g = 1.
    let config = SgdConfig { weight_decay: 0.5, ..Default::default() };
    let run = |parameters: Parameters, raw: &[(String, Var)]| -> Result<Vec<f64>> {
        let mut grads = GradStore::default();
        for (_, var) in raw {
            grads.insert(var, Tensor::new(&[1f64, 1.0], &Device::Cpu)?);
        }
        Sgd::new(parameters, config)?.step(&grads, 0.1)?;
        raw.iter().map(|(_, var)| Ok(var.to_vec1::<f64>()?[0])).collect()
    };
    let close = |found: Vec<f64>, expected: [f64; 2]| {
        assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-12), "{found:?}, expected {expected:?}");
    };
    let raw = two()?;
    close(run(raw.clone().into(), &raw)?, [1.0 - 0.15, 2.0 - 0.2]);
    let raw = two()?;
    let groups = [
        ParamGroup { prefix: Some("a".into()), weight_decay: Some(0.0), ..Default::default() },
        ParamGroup { max_dims: Some(1), learning_rate_factor: Some(3.0), ..Default::default() },
    ];
    close(run(Parameters::from(raw.clone()).with_groups(&groups)?, &raw)?, [1.0 - 0.3, 2.0 - 0.6]);
    let raw = two()?;
    let group = ParamGroup { learning_rate_factor: Some(10.0), ..Default::default() };
    let parameters = Parameters::from(raw.clone()).with_group_where(&group, |name, _| name == "b")?;
    close(run(parameters, &raw)?, [1.0 - 0.15, 2.0 - 2.0]);
    Ok(())
}

#[test]
fn a_group_has_the_parameters_that_meet_all_its_conditions() -> Result<()> {
    let names = ["body.fc.weight", "fc.bias", "fc.scale", "fc.weight", "fc.weight.mask", "fc2.weight"];
    let shape = |name: &str| match name {
        "fc.scale" => vec![],
        "fc.bias" => vec![2],
        _ => vec![2, 2],
    };
    // Members do not move: their rate is 0.
    let members = |group: ParamGroup, selects: fn(&str, &Var) -> bool| -> Result<Vec<&str>> {
        let ones = |name: &&str| Ok((name.to_string(), Var::ones(shape(name), DType::F64, &Device::Cpu)?));
        let raw = names.iter().map(ones).collect::<Result<Vec<_>>>()?;
        let group = ParamGroup { learning_rate_factor: Some(0.0), ..group };
        let parameters = Parameters::from(raw.clone()).with_group_where(&group, selects)?;
        let mut grads = GradStore::default();
        for (_, var) in &raw {
            grads.insert(var, var.ones_like()?);
        }
        Sgd::new(parameters, SgdConfig::default())?.step(&grads, 0.5)?;
        let still = |var: &Var| Ok::<_, mbls_nn::Error>(var.max_all()?.to_scalar::<f64>()? == 1.0);
        let mut found = Vec::new();
        for (name, (_, var)) in names.iter().zip(&raw) {
            found.extend(still(var)?.then_some(*name));
        }
        Ok(found)
    };
    let all = |_: &str, _: &Var| true;
    let any = ParamGroup::default;
    let (fc, weight) = (Some("fc.".to_owned()), Some(".weight".to_owned()));
    let prefix = || ParamGroup { prefix: fc.clone(), ..any() };
    assert_eq!(members(any(), all)?, names);
    assert_eq!(members(prefix(), all)?, ["fc.bias", "fc.scale", "fc.weight", "fc.weight.mask"]);
    let suffix = ParamGroup { suffix: weight.clone(), ..any() };
    assert_eq!(members(suffix, all)?, ["body.fc.weight", "fc.weight", "fc2.weight"]);
    assert_eq!(members(ParamGroup { max_dims: Some(0), ..any() }, all)?, ["fc.scale"]);
    assert_eq!(members(ParamGroup { max_dims: Some(1), ..any() }, all)?, ["fc.bias", "fc.scale"]);
    assert_eq!(members(ParamGroup { suffix: weight, ..prefix() }, all)?, ["fc.weight"]);
    assert_eq!(members(ParamGroup { max_dims: Some(1), ..prefix() }, |name, _| name != "fc.scale")?, ["fc.bias"]);
    assert_eq!(members(prefix(), |_, var| var.rank() == 2)?, ["fc.weight", "fc.weight.mask"]);
    let message = members(prefix(), |name, _| name == "fc2.weight").unwrap_err().to_string();
    assert!(message.contains("no parameter belongs to it"), "{message}");
    // Settings are checked without conditions too.
    let wrong = ParamGroup { weight_decay: Some(f64::NAN), ..any() };
    let message = members(wrong, all).unwrap_err().to_string();
    assert!(message.contains("weight_decay = NaN"), "{message}");
    Ok(())
}

#[test]
fn groups_that_make_no_sense_are_refused() -> Result<()> {
    let a = ParamGroup { prefix: Some("a".into()), weight_decay: Some(0.0), ..Default::default() };
    for (groups, part) in [
        (vec![a.clone(), ParamGroup { max_dims: Some(1), ..a.clone() }], "weight_decay of a"),
        (vec![ParamGroup { prefix: Some("c".into()), ..a.clone() }], "no parameter belongs to it; there are a, b"),
        (vec![ParamGroup { prefix: None, ..a.clone() }], "at least one of"),
        (vec![ParamGroup { weight_decay: None, ..a.clone() }], "expected a learning_rate_factor"),
        (
            vec![ParamGroup { weight_decay: Some(-1.0), ..a.clone() }],
            "weight_decay = -1: expected a finite number of at least 0",
        ),
    ] {
        let message = Parameters::from(two()?).with_groups(&groups).expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
    let mut same = two()?;
    same[1].1 = same[0].1.clone();
    let message = Sgd::new(same, SgdConfig::default()).unwrap_err().to_string();
    assert!(message.contains("a and b"), "{message}");
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
        // 1/256 is the distance of 1 to the next smaller bf16: a hundredth of that is lost in each single step.
        for _ in 0..1000 {
            optimizer.step(&grads, 1.0 / 25600.0)?;
        }
        assert!((value()? - (1.0 - 1000.0 / 25600.0)).abs() < 4e-3, "{config:?}: {}", value()?);
        assert!(optimizer.state().contains_key("p.master"));
        // A value set from outside counts.
        p.set(&Tensor::new(&[5f32], &Device::Cpu)?.to_dtype(DType::BF16)?)?;
        optimizer.step(&grads, 1.0 / 25600.0)?;
        assert!((value()? - 5.0).abs() < 0.02, "{config:?}: {}", value()?);
    }
    Ok(())
}

#[test]
fn clipping_by_value_keeps_nan() -> Result<()> {
    let parameters = two()?;
    let mut grads = GradStore::default();
    grads.insert(&parameters[0].1, Tensor::new(&[f64::NAN, 3.0], &Device::Cpu)?);
    grads.insert(&parameters[1].1, Tensor::new(&[-7f64, 0.5], &Device::Cpu)?);
    clip_grad_value(&parameters, &mut grads, 1.0)?;
    let first = grads.get(&parameters[0].1).unwrap().to_vec1::<f64>()?;
    assert!(first[0].is_nan() && first[1] == 1.0);
    assert_eq!(grads.get(&parameters[1].1).unwrap().to_vec1::<f64>()?, [-1.0, 0.5]);
    assert!(clip_grad_value(&parameters, &mut grads, f64::NAN).is_err());
    Ok(())
}

#[test]
fn the_store_starts_alike_in_any_order_and_on_any_type() -> Result<()> {
    let first = ParamStore::new(4, DType::F32, &Device::Cpu);
    Linear::new(3, 2, first.var_builder().pp("x"))?;
    Linear::new(2, 2, first.var_builder().pp("y"))?;
    let second = ParamStore::new(4, DType::F64, &Device::Cpu);
    Linear::new(2, 2, second.var_builder().pp("y"))?;
    Linear::new(3, 2, second.var_builder().pp("x"))?;
    for ((a, x), (b, y)) in first.parameters().into_iter().zip(second.parameters()) {
        assert_eq!(a, b);
        let wide = x.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        assert_eq!(wide, y.flatten_all()?.to_vec1::<f64>()?);
    }
    Ok(())
}

#[test]
fn the_store_shares_a_name_and_refuses_another_shape() -> Result<()> {
    let store = ParamStore::new(4, DType::F32, &Device::Cpu);
    let a = Linear::new(3, 2, store.var_builder().pp("x"))?;
    let b = Linear::new(3, 2, store.var_builder().pp("x"))?;
    assert_eq!(a.weight().id(), b.weight().id());
    let message = Linear::without_bias(4, 2, store.var_builder().pp("x")).unwrap_err().to_string();
    assert!(message.contains("x.weight") && message.contains("[2, 4]"), "{message}");
    assert!(store.var_builder().get_unchecked("missing").is_err());
    Ok(())
}

#[test]
fn a_state_of_the_network_round_trips() -> Result<()> {
    let make = |seed| -> Result<ParamStore> {
        let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
        Linear::new(3, 2, store.var_builder().pp("fc"))?;
        BatchNorm2d::new(2, store.var_builder().pp("bn"))?;
        Ok(store)
    };
    let (a, b) = (make(1)?, make(2)?);
    let values = |store: &ParamStore| -> Result<Vec<Vec<f32>>> {
        store.state().values().map(|t| Ok(t.flatten_all()?.to_vec1::<f32>()?)).collect()
    };
    assert_ne!(values(&a)?, values(&b)?);
    b.load_state(&a.state())?;
    assert_eq!(values(&a)?, values(&b)?);
    a.load_state(&a.state())?;
    let mut state = a.state();
    state.remove("bn.running_var");
    let message = a.load_state(&state).unwrap_err().to_string();
    assert!(message.contains("missing [bn.running_var]"), "{message}");
    Ok(())
}

#[test]
fn steps_are_those_of_pytorch_and_go_on_bit_identically_from_a_state() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/optim/steps.json");
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let fixture: serde_json::Value = serde_json::from_str(&text).unwrap();
    let numbers = |value: &serde_json::Value| serde_json::from_value::<Option<Vec<f64>>>(value.clone()).unwrap();
    let rate = fixture["learning_rate"].as_f64().unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let config: OptimizerConfig = serde_json::from_value(case["config"].clone()).unwrap();
        let make = |start: &[f64]| -> Result<_> {
            let p = Var::new(start, &Device::Cpu)?;
            Ok((p.clone(), config.build(vec![("p".into(), p)])?))
        };
        let step = |(p, optimizer): &mut (Var, Box<dyn Optimizer>), gradient: &serde_json::Value| -> Result<Vec<f64>> {
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
                assert!((found - expected).abs() < 1e-12, "{config:?}: {found}, expected {expected}");
            }
        }
    }
    Ok(())
}
