//! Parameter groups: their members, their settings, and invalid groups.

use super::two;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use mbls_nn::{Optimizer, ParamGroup, Parameters, Result, Sgd, SgdConfig};

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
        assert!(
            found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-12),
            "{found:?}, expected {expected:?}"
        );
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
    let parameters =
        Parameters::from(raw.clone()).with_group_where(&group, |name, _| name == "b")?;
    close(run(parameters, &raw)?, [1.0 - 0.15, 2.0 - 2.0]);
    Ok(())
}

#[test]
fn a_group_has_the_parameters_that_meet_all_its_conditions() -> Result<()> {
    let names =
        ["body.fc.weight", "fc.bias", "fc.scale", "fc.weight", "fc.weight.mask", "fc2.weight"];
    let shape = |name: &str| match name {
        "fc.scale" => vec![],
        "fc.bias" => vec![2],
        _ => vec![2, 2],
    };
    // Members do not change: their learning rate is 0.
    let members = |group: ParamGroup, selects: fn(&str, &Var) -> bool| -> Result<Vec<&str>> {
        let ones =
            |name: &&str| Ok((name.to_string(), Var::ones(shape(name), DType::F64, &Device::Cpu)?));
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
    assert_eq!(
        members(ParamGroup { max_dims: Some(1), ..prefix() }, |name, _| name != "fc.scale")?,
        ["fc.bias"]
    );
    assert_eq!(members(prefix(), |_, var| var.rank() == 2)?, ["fc.weight", "fc.weight.mask"]);
    let message = members(prefix(), |name, _| name == "fc2.weight").unwrap_err().to_string();
    assert!(message.contains("no parameter belongs to it"), "{message}");
    // Settings are also checked without conditions.
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
        (
            vec![ParamGroup { prefix: Some("c".into()), ..a.clone() }],
            "no parameter belongs to it; there are a, b",
        ),
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
