//! Pretrained weights of complete networks and of encoders.

use super::{noise, tiny_networks};
use candle_core::{DType, Device, Tensor};
use mbls_nn::{Checkpoint, ParamStore};
use mbls_seg::model::{DeepLabV3Config, Network, Options, Origin};
use mbls_vision::model::pretrained::Head;
use mbls_vision::model::{ResNet, ResNetConfig};
use std::collections::BTreeMap;
use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn built(network: &Network, seed: u64) -> Result<ParamStore> {
    let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
    network.clone().build(Options::default(), store.var_builder())?;
    Ok(store)
}

fn values(store: &ParamStore) -> Result<BTreeMap<String, Vec<f32>>> {
    store
        .state()
        .into_iter()
        .map(|(name, tensor)| Ok((name, tensor.flatten_all()?.to_vec1()?)))
        .collect()
}

fn checkpoint(store: &ParamStore) -> Result<Checkpoint> {
    Ok(Checkpoint::from_bytes(store.to_safetensors()?)?)
}

/// Returns the tiny network with torchvision's names, with or without its auxiliary classifier.
fn torchvision(auxiliary: bool, classes: usize) -> Network {
    let mut found = tiny_networks().into_iter().find_map(|network| match network {
        Network::DeepLabV3(config) if config.origin == Origin::Torchvision => Some(config),
        _ => None,
    });
    let config = found.take().expect("one of torchvision");
    Network::DeepLabV3(DeepLabV3Config { auxiliary, classes, ..config })
}

#[test]
fn a_file_with_an_auxiliary_classifier_serves_with_and_without_it() -> Result<()> {
    let file = built(&torchvision(true, 2), 1)?;
    let (saved, checkpoint) = (values(&file)?, checkpoint(&file)?);
    for (auxiliary, classes, new) in
        [(true, 2, None), (false, 2, None), (false, 3, Some("classifier.4"))]
    {
        let network = torchvision(auxiliary, classes);
        let store = built(&network, 2)?;
        let before = values(&store)?;
        let report = network.load(&store, &checkpoint, Head::IfItFits)?;
        assert_eq!(report.new_head.as_deref(), new, "{report}");
        for (name, found) in values(&store)? {
            let kept = new.is_some_and(|head| name.starts_with(head));
            assert_eq!(
                found,
                if kept { before[&name].clone() } else { saved[&name].clone() },
                "{name}"
            );
        }
        assert_eq!(
            report.unused.iter().any(|name| name.starts_with("aux_classifier.")),
            !auxiliary
        );
    }
    // Names of another origin are rejected.
    let smp = &tiny_networks()[0];
    assert!(smp.load(&built(smp, 3)?, &checkpoint, Head::IfItFits).is_err());
    Ok(())
}

#[test]
fn both_forms_of_smps_names_are_one_network() -> Result<()> {
    let of = |origin| match tiny_networks().remove(0) {
        Network::DeepLabV3(config) => Network::DeepLabV3(DeepLabV3Config { origin, ..config }),
        other => other,
    };
    let stores = [Origin::Smp, Origin::SmpSequential].map(|origin| built(&of(origin), 1));
    let [named, sequence] = stores;
    let (named, sequence) = (named?, sequence?);
    // In the order of construction, the names of both networks correspond.
    for (new, old) in named.names().iter().zip(sequence.names()) {
        let (from, to) = (named.state()[new].copy()?, &sequence.state()[&old]);
        assert_eq!(from.dims(), to.dims(), "{new}, {old}");
    }
    let renamed: BTreeMap<String, Tensor> = named
        .names()
        .iter()
        .zip(sequence.names())
        .map(|(new, old)| (old, named.state()[new].clone()))
        .collect();
    sequence.load_state(&renamed)?;
    let images = noise(&[2, 1, 17, 12], 3).to_dtype(DType::F32)?;
    let logits = |origin, store: &ParamStore| -> Result<Vec<f32>> {
        let model = of(origin).build(Options::default(), store.var_builder())?;
        Ok(model.forward_t(&images, false)?.flatten_all()?.to_vec1()?)
    };
    assert_eq!(logits(Origin::Smp, &named)?, logits(Origin::SmpSequential, &sequence)?);
    Ok(())
}

#[test]
fn encoders_take_torchvisions_classifiers() -> Result<()> {
    for network in tiny_networks() {
        let config = match &network {
            Network::DeepLabV3(config) => &config.encoder,
            Network::DeepLabV3Plus(config) => &config.encoder,
            Network::UNet(config) => &config.encoder,
        };
        // The classifier has strides where the encoder is dilated; the weights are the same.
        let classifier = ParamStore::new(1, DType::F32, &Device::Cpu);
        ResNet::new(
            ResNetConfig { dilation: Vec::new(), classes: 10, ..config.clone() },
            classifier.var_builder(),
        )?;
        let store = built(&network, 2)?;
        let before = values(&store)?;
        let report = network.load_encoder(&store, &checkpoint(&classifier)?)?;
        assert_eq!(report.unused, ["fc.bias", "fc.weight"]);
        let (saved, prefix) = (values(&classifier)?, format!("{}.", network.encoder()));
        for (name, found) in values(&store)? {
            let expected = name.strip_prefix(&prefix).map_or(&before[&name], |name| &saved[name]);
            assert_eq!(&found, expected, "{name}");
        }
    }
    Ok(())
}
