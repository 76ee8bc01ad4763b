//! Tests of pretrained weights, with and without their classifier.

use candle_core::{DType, Device, Tensor};
use mbls_nn::checkpoint::StateDict;
use mbls_nn::{
    BatchNorm2d, Checkpoint, Linear, OptimizerConfig, ParamGroup, ParamStore, Parameters, SgdConfig,
};
use mbls_vision::model::pretrained::{self, Head};
use mbls_vision::model::{DenseNetConfig, Network, Options, ResNetConfig, ResNetEncoder};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A file written by PyTorch, from a network with ten classes.
const FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/models/wrn_d8_w1/last.pth");

fn network(config: ResNetConfig, seed: u64) -> Result<ParamStore> {
    let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
    Network::ResNet(config).build(Options::default(), store.var_builder())?;
    Ok(store)
}

fn wide(classes: usize) -> Result<ParamStore> {
    network(ResNetConfig::wide_cifar(8, 1, classes)?, 5)
}

fn values(state: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Vec<f32>>> {
    state.into_iter().map(|(name, tensor)| Ok((name, tensor.flatten_all()?.to_vec1()?))).collect()
}

/// Checks that all tensors except the classifier come from the file, and that the classifier comes
/// from the file or is unchanged.
fn check(store: &ParamStore, before: &BTreeMap<String, Vec<f32>>, new_head: bool) -> Result<()> {
    let file = Checkpoint::read(Path::new(FILE))?.state_dict()?;
    for (name, found) in values(store.state())? {
        let kept = new_head && name.starts_with("fc.");
        let expected =
            if kept { before[&name].clone() } else { file[&name].flatten_all()?.to_vec1()? };
        assert_eq!(found, expected, "{name}");
    }
    Ok(())
}

#[test]
fn a_classifier_that_fits_is_taken_unless_a_new_one_is_wanted() -> Result<()> {
    let checkpoint = Checkpoint::read(Path::new(FILE))?;
    for choice in [Head::IfItFits, Head::New] {
        let store = wide(10)?;
        let before = values(store.state())?;
        let report = pretrained::load(&store, &checkpoint, "fc", choice)?;
        let new = choice == Head::New;
        check(&store, &before, new)?;
        assert_eq!(report.new_head.as_deref(), new.then_some("fc"));
        assert_eq!(report.taken.len(), before.len() - if new { 2 } else { 0 });
        assert_eq!(report.taken.iter().any(|name| name.starts_with("fc.")), !new);
        assert!(
            report.missing.is_empty() && report.mis_shaped.is_empty() && report.unused.is_empty()
        );
        let expected = if new { "; fc as initialised" } else { "" };
        assert_eq!(
            report.to_string(),
            format!("{} taken from the checkpoint{expected}", report.taken.len())
        );
    }
    Ok(())
}

#[test]
fn a_classifier_of_another_shape_stays_as_a_whole() -> Result<()> {
    let checkpoint = Checkpoint::read(Path::new(FILE))?;
    let store = wide(7)?;
    let before = values(store.state())?;
    let report = pretrained::load(&store, &checkpoint, "fc", Head::IfItFits)?;
    check(&store, &before, true)?;
    let shapes: Vec<_> = report.mis_shaped.iter().map(ToString::to_string).collect();
    assert_eq!(
        shapes,
        ["fc.bias: shape [10], expected [7]", "fc.weight: shape [10, 64], expected [7, 64]"]
    );
    assert!(
        report.to_string().contains("; fc as initialised; fc.bias: shape [10], expected [7]"),
        "{report}"
    );
    // The same number of classes on four times as many features: only the bias would fit.
    let store = network(ResNetConfig { pool: 2, ..ResNetConfig::wide_cifar(8, 1, 10)? }, 5)?;
    let before = values(store.state())?;
    let report = pretrained::load(&store, &checkpoint, "fc", Head::IfItFits)?;
    check(&store, &before, true)?;
    assert_eq!((report.new_head.as_deref(), report.mis_shaped.len()), (Some("fc"), 1));
    assert!(report.taken.iter().all(|name| !name.starts_with("fc.")));
    Ok(())
}

#[test]
fn a_checkpoint_without_classifier_serves_too() -> Result<()> {
    let mut state = wide(10)?.state();
    state.retain(|name, _| !name.starts_with("fc."));
    state.insert("fc.scale".into(), Tensor::ones(1, DType::F32, &Device::Cpu)?);
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("encoder.safetensors");
    candle_core::safetensors::save(&state.into_iter().collect(), &path)?;
    let store = network(ResNetConfig::wide_cifar(8, 1, 10)?, 6)?;
    let before = values(store.state())?;
    let report = pretrained::load(&store, &Checkpoint::read(&path)?, "fc", Head::IfItFits)?;
    assert_eq!(
        (report.missing, report.unused),
        (vec!["fc.bias".into(), "fc.weight".into()], vec!["fc.scale".into()])
    );
    let after = values(store.state())?;
    assert_eq!(after["fc.weight"], before["fc.weight"]);
    assert_ne!(after["conv1.weight"], before["conv1.weight"]);
    Ok(())
}

#[test]
fn anything_else_that_does_not_fit_is_an_error_and_changes_nothing() -> Result<()> {
    let checkpoint = Checkpoint::read(Path::new(FILE))?;
    let cases = [
        // Different depth, width, number of channels.
        (ResNetConfig::wide_cifar(14, 1, 7)?, "fc", "missing [layer1.1.bn1.bias"),
        (
            ResNetConfig::wide_cifar(8, 2, 7)?,
            "fc",
            "layer1.0.conv1.weight: shape [16, 16, 3, 3], expected [32, 16, 3, 3]",
        ),
        (
            ResNetConfig { in_channels: 1, ..ResNetConfig::wide_cifar(8, 1, 7)? },
            "fc",
            "conv1.weight: shape [16, 3, 3, 3]",
        ),
        (
            ResNetConfig { stages: vec![1; 2], ..ResNetConfig::wide_cifar(8, 1, 7)? },
            "fc",
            "unexpected [layer3.0",
        ),
        (
            ResNetConfig::wide_cifar(8, 1, 7)?,
            "linear",
            "head = linear: expected the name of a part of the network",
        ),
        (
            ResNetConfig::wide_cifar(8, 1, 7)?,
            "f",
            "head = f: expected the name of a part of the network",
        ),
        (
            ResNetConfig::wide_cifar(8, 1, 7)?,
            "",
            "head = : expected the name of a part of the network",
        ),
    ];
    for (config, head, expected) in cases {
        let store = network(config, 5)?;
        let before = values(store.state())?;
        let error =
            pretrained::load(&store, &checkpoint, head, Head::IfItFits).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, expected {expected}");
        assert_eq!(error.contains("last.pth"), head == "fc", "{error}");
        assert_eq!(values(store.state())?, before);
    }
    let error = Checkpoint::read(Path::new("no/such/file.pth")).unwrap_err().to_string();
    assert!(error.contains("no/such/file.pth"), "{error}");
    Ok(())
}

#[test]
fn the_head_of_a_densenet_is_called_linear() -> Result<()> {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/golden/models/densenet_2222_g8/last.pth"
    );
    let config = DenseNetConfig { growth: 8, blocks: vec![2; 4], in_channels: 3, classes: 4 };
    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    let network = Network::DenseNet(config);
    let head = network.head();
    network.build(Options::default(), store.var_builder())?;
    let report =
        pretrained::load(&store, &Checkpoint::read(Path::new(directory))?, head, Head::IfItFits)?;
    assert_eq!((report.new_head.as_deref(), report.mis_shaped.len()), (Some("linear"), 2));
    Ok(())
}

#[test]
fn the_head_learns_at_a_rate_of_its_own() -> Result<()> {
    let store = wide(7)?;
    let before = values(store.state())?;
    let group = ParamGroup {
        prefix: Some("fc.".into()),
        learning_rate_factor: Some(10.0),
        ..Default::default()
    };
    let parameters = Parameters::from(store.parameters()).with_groups(&[group])?;
    let mut optimizer = OptimizerConfig::Sgd(SgdConfig::default()).build(parameters)?;
    // Every gradient is 1.
    let sums: Vec<Tensor> = store
        .parameters()
        .iter()
        .map(|(_, var)| var.sum_all())
        .collect::<candle_core::Result<_>>()?;
    optimizer.step(&Tensor::stack(&sums, 0)?.sum_all()?.backward()?, 0.5)?;
    for (name, _) in store.parameters() {
        let moved = if name.starts_with("fc.") { 5.0 } else { 0.5 };
        let after = store.state()[&name].flatten_all()?.to_vec1::<f32>()?;
        assert!(
            before[&name].iter().zip(after).all(|(a, b)| (a - b - moved).abs() < 1e-5),
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn parts_beside_the_classifier_are_taken_or_not_by_themselves() -> Result<()> {
    // A network with two classifiers with these numbers of classes; 0 means no classifier.
    let network = |classes: [usize; 2], seed: u64| {
        let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
        BatchNorm2d::new(2, store.var_builder().pp("bn"))?;
        for (name, classes) in
            ["fc", "aux"].into_iter().zip(classes).filter(|(_, classes)| *classes > 0)
        {
            let vb = store.var_builder().pp(name);
            BatchNorm2d::new(2, vb.pp("0"))?;
            Linear::new(2, classes, vb.pp("1"))?;
        }
        Ok::<_, Box<dyn Error>>(store)
    };
    let file = network([3, 3], 1)?;
    let ones = Tensor::ones(2, DType::F32, &Device::Cpu)?;
    for (_, buffer) in file.buffers() {
        buffer.set(&(&ones * 7.0)?)?;
    }
    let checkpoint = Checkpoint::from_bytes(file.to_safetensors()?)?;
    let file = values(file.state())?;
    for (classes, choice, taken, new) in [
        ([3, 3], Head::IfItFits, &["fc", "aux"][..], None),
        ([3, 0], Head::IfItFits, &["fc"], None),
        ([3, 4], Head::IfItFits, &["fc"], None),
        ([4, 3], Head::IfItFits, &["aux"], Some("fc")),
        ([4, 0], Head::IfItFits, &[], Some("fc")),
        ([3, 3], Head::New, &[], Some("fc")),
    ] {
        let store = network(classes, 2)?;
        let before = values(store.state())?;
        let report =
            pretrained::load_beside(&store, &checkpoint, "fc", &["aux", "absent"], choice)?;
        assert_eq!(report.new_head.as_deref(), new, "{classes:?}: {report}");
        for (name, found) in values(store.state())? {
            let part = name.split('.').next().unwrap_or_default();
            let from_file = part == "bn" || taken.contains(&part);
            assert_eq!(report.taken.contains(&name), from_file, "{classes:?}: {name}");
            let expected = if from_file { &file[&name] } else { &before[&name] };
            assert_eq!(&found, expected, "{classes:?}: {name}");
        }
    }
    // If they are not listed, they have to fit.
    let error = pretrained::load(&network([3, 0], 2)?, &checkpoint, "fc", Head::IfItFits)
        .unwrap_err()
        .to_string();
    assert!(error.contains("unexpected [aux.0.bias"), "{error}");
    Ok(())
}

#[test]
fn an_encoder_takes_a_classifier_without_its_head() -> Result<()> {
    let checkpoint = Checkpoint::read(Path::new(FILE))?;
    let file = checkpoint.state_dict()?;
    let store = ParamStore::new(5, DType::F32, &Device::Cpu);
    ResNetEncoder::new(&ResNetConfig::wide_cifar(8, 1, 0)?, store.var_builder().pp("backbone"))?;
    let report = pretrained::load_encoder(&store, "backbone", &checkpoint, "fc")?;
    assert_eq!((report.new_head.as_ref(), report.missing.len()), (None, 0));
    assert_eq!(report.unused, ["fc.bias", "fc.weight"]);
    for (name, found) in values(store.state())? {
        let name = name.strip_prefix("backbone.").expect("of the encoder");
        assert_eq!(found, file[name].flatten_all()?.to_vec1::<f32>()?, "{name}");
        assert!(report.taken.iter().any(|taken| taken == name), "{name}");
    }
    for (part, head, expected) in
        [("encoder", "fc", "part = encoder"), ("backbone", "linear", "unexpected [fc.bias")]
    {
        let error =
            pretrained::load_encoder(&store, part, &checkpoint, head).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    Ok(())
}
