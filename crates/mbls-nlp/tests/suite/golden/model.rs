//! Networks of the published code: state keys, outputs, and training continued from checkpoints.
//!
//! The inputs in the golden set are sequences of word vectors. A set without text networks is
//! reported as skipped.

use candle_core::{DType, Device, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_nlp::model::{
    BiGruConfig, GlobalPoolingCnnConfig, Network, Options, SequenceNetwork, TextCnnConfig,
};
use mbls_nn::ParamStore;
use mbls_stepkit::Result;
use mbls_stepkit::published::{
    Case, Rounding, check_logits, check_three_steps, each_case, state_dict_keys,
};
use mbls_testkit::device;
use mbls_testkit::golden::{self, Key, keys};
use mbls_testkit::procedural::{self, Procedural};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Returns the golden directory, and the directory of networks that it lacks.
fn directories() -> [PathBuf; 2] {
    [
        golden::directory(),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/text-networks"),
    ]
}

/// Returns the configuration of the network called `name` with parameters of these shapes. For
/// networks of other tasks it prints a message and returns `None`.
fn network(name: &str, keys: &[Key]) -> Option<Network> {
    let shape = |name: &str| &keys.iter().find(|key| key.name == name).expect(name).shape[..];
    let matrix = |name: &str| (shape(name)[0], shape(name)[1]);
    let classes = shape(&keys.last().expect("a key").name)[0];
    if name.starts_with("gpcnn") || name.ends_with("GlobalPoolingCNN") {
        let &[channels, dim, kernel] = shape("conv1.weight") else {
            panic!("{name}: conv1.weight")
        };
        let (_, hidden) = matrix("fc2.weight");
        // Pooling has no parameters, so its size is not known from the shapes.
        return Some(Network::GlobalPoolingCnn(GlobalPoolingCnnConfig {
            pool: 5,
            dim,
            channels,
            kernel,
            hidden,
            classes,
        }));
    }
    if name.starts_with("TextCNN") {
        let kernels =
            keys.iter().filter(|key| key.shape.len() == 3).map(|key| key.shape[2]).collect();
        let (channels, dim) = matrix("convs.0.weight");
        return Some(Network::TextCnn(TextCnnConfig { dim, kernels, channels, classes }));
    }
    if name.starts_with("BiGRU") {
        let (hidden, dim) = (shape("gru.weight_hh_l0")[1], shape("gru.weight_ih_l0")[1]);
        return Some(Network::BiGru(BiGruConfig { dim, hidden, classes }));
    }
    eprintln!("SKIPPED {name}: no text classification");
    None
}

/// Builds the network, with the padding of a golden entry.
fn build(network: Network, entry: &Value, vb: VarBuilder) -> candle_core::Result<Box<dyn ModuleT>> {
    let padding = entry["padding"].as_array().map(|_| golden::sizes(&entry["padding"]));
    Ok(Box::new(Padded(network.build(Options::default(), vb)?, padding)))
}

struct Padded(Box<dyn SequenceNetwork>, Option<Vec<usize>>);

impl ModuleT for Padded {
    fn forward_t(&self, vectors: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        match &self.1 {
            Some(padding) => self.0.forward_padded(vectors, padding, train),
            None => self.0.forward_t(vectors, train),
        }
    }
}

/// Reports a golden set that has no values for these tests.
fn report(tested: usize, directory: &Path) {
    if tested == 0 {
        eprintln!("SKIPPED {}: no network for texts", directory.display());
    }
}

#[test]
fn names_shapes_and_order_are_those_of_the_state_dicts() -> Result<()> {
    for directory in directories() {
        let models = golden::json_of(&directory.join("models/state_dict_keys.json"));
        let Value::Object(models) = models else { panic!("an object of models") };
        let mut tested = 0;
        for (name, list) in models {
            let expected = keys(&list);
            let Some(network) = network(&name, &expected) else { continue };
            let store = ParamStore::new(1, DType::F32, &Device::Cpu);
            let head = network.head();
            network.build(Options::default(), store.var_builder())?;
            let found = state_dict_keys(&store);
            assert_eq!(found, expected, "{name}");
            assert_eq!(found[found.len() - 1].name, format!("{head}.bias"), "{name}");
            tested += 1;
        }
        report(tested, &directory);
    }
    Ok(())
}

#[test]
fn outputs_of_networks_whose_weights_follow_from_their_names() -> Result<()> {
    for directory in directories() {
        let file = golden::json_of(&directory.join("models/procedural.json"));
        let golden = golden::tensors_of(&directory.join("models/procedural.safetensors"));
        let Value::Object(models) = &file["models"] else { panic!("an object of models") };
        let all = golden::json_of(&directory.join("models/state_dict_keys.json"));
        let mut tested = 0;
        for (name, entry) in models {
            let Some(list) = all.get(name) else { continue };
            let Some(network) = network(name, &keys(list)) else { continue };
            for dtype in [DType::F32, DType::F64] {
                let network = network.clone();
                procedural::check(name, entry, &golden, dtype, |vb| build(network, entry, vb))?;
                tested += 1;
            }
        }
        report(tested, &directory);
    }
    Ok(())
}

/// Compares the loss and the norms of all parameter gradients, if the golden set has them.
#[test]
fn gradients_of_networks_whose_weights_follow_from_their_names() -> Result<()> {
    let [_, directory] = directories();
    let file = golden::json_of(&directory.join("models/procedural.json"));
    let Value::Object(models) = &file["models"] else { panic!("an object of models") };
    let number = |value: &Value| value.as_f64().expect("a number");
    let loss = LossSpec::margin(number(&file["margin"]), number(&file["alpha"])).build()?;
    let all = golden::json_of(&directory.join("models/state_dict_keys.json"));
    for (name, entry) in models {
        let weights = Procedural::new(entry["salt"].as_str().expect("a text"));
        let network = network(name, &keys(&all[name])).expect(name);
        let model = build(network, entry, weights.var_builder(DType::F64))?;
        let shape = golden::sizes(&entry["train_input_shape"]);
        let x = procedural::input(entry["train_input_salt"].as_str().expect("a text"), &shape)?
            .to_dtype(DType::F64)?;
        let labels = (0..shape[0] as u32).map(|i| i % 4).collect();
        let labels = Tensor::from_vec(labels, shape[0], &device())?;
        let output = loss.forward(&LogitBatch::new(&model.forward_t(&x, true)?, &labels, None)?)?;
        let value = output.total.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        assert!((value - number(&entry["loss"])).abs() < 1e-12, "{name}: {value}");
        let gradients = output.total.backward()?;
        let expected = entry["gradient_norms"].as_object().expect("norms");
        assert_eq!(expected.len(), weights.vars().len(), "{name}");
        for (key, expected) in expected {
            let gradient =
                gradients.get(&weights.vars()[key]).unwrap_or_else(|| panic!("{name}: {key}"));
            let norm = gradient.sqr()?.sum_all()?.sqrt()?.to_scalar::<f64>()?;
            assert!(
                (norm - number(expected)).abs() < 1e-12 * (1.0 + norm),
                "{name}, {key}: {norm}, expected {expected}"
            );
        }
    }
    Ok(())
}

/// Runs `test` on every text network, in both data types.
fn each(test: impl Fn(&Case) -> Result<()>) -> Result<()> {
    let tested =
        each_case(network, |network, vb| Ok(network.build(Options::default(), vb)?), test)?;
    report(tested, &golden::directory());
    Ok(())
}

#[test]
fn logits_from_checkpoints() -> Result<()> {
    each(check_logits)
}

#[test]
fn three_training_steps_from_checkpoints() -> Result<()> {
    let rounding = Rounding { step: |step| 2e-5 * (1 + step) as f64, after: 1e-5 };
    each(|case| check_three_steps(case, rounding))
}
