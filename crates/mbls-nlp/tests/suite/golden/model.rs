//! The networks of the published code: keys of their state, outputs, and training continued from checkpoints.
//!
//! The golden set's own inputs are sequences of word vectors. A set without a network for texts is said to be skipped.

use candle_core::{DType, Device, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_nlp::model::{BiGruConfig, GlobalPoolingCnnConfig, Network, Options, SequenceNetwork, TextCnnConfig};
use mbls_nn::checkpoint::{ToTensor, Value as Saved};
use mbls_nn::{
    AdamConfig, Checkpoint, Fit, Optimizer, OptimizerConfig, ParamStore, SgdConfig, checkpoint, clip_grad_norm,
};
use mbls_testkit::device;
use mbls_testkit::golden::{self, Key, gap, keys, with_counters};
use mbls_testkit::procedural::{self, Procedural};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The golden directory, and the networks that it does not have.
fn directories() -> [PathBuf; 2] {
    [golden::directory(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/text-networks")]
}

/// The shape of the network called `name` with parameters of these shapes; `None`, said aloud, for those of other tasks.
fn network(name: &str, keys: &[Key]) -> Option<Network> {
    let shape = |name: &str| &keys.iter().find(|key| key.name == name).expect(name).shape[..];
    let matrix = |name: &str| (shape(name)[0], shape(name)[1]);
    let classes = shape(&keys.last().expect("a key").name)[0];
    if name.starts_with("gpcnn") || name.ends_with("GlobalPoolingCNN") {
        let &[channels, dim, kernel] = shape("conv1.weight") else { panic!("{name}: conv1.weight") };
        let (_, hidden) = matrix("fc2.weight");
        // The pool has no parameters.
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
        let kernels = keys.iter().filter(|key| key.shape.len() == 3).map(|key| key.shape[2]).collect();
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

/// The network, with the padding that a golden entry has.
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

/// Says so where a set of golden values has nothing for these tests.
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
            let state = store.state();
            let shapes = store.names().into_iter().map(|name| (name.clone(), state[&name].dims().to_vec()));
            let found = with_counters(shapes);
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

/// The loss and the norm of every parameter's gradient, where a golden set has them.
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
        let x = procedural::input(entry["train_input_salt"].as_str().expect("a text"), &shape)?.to_dtype(DType::F64)?;
        let labels = (0..shape[0] as u32).map(|i| i % 4).collect();
        let labels = Tensor::from_vec(labels, shape[0], &device())?;
        let output = loss.forward(&LogitBatch::new(&model.forward_t(&x, true)?, &labels, None)?)?;
        let value = output.total.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        assert!((value - number(&entry["loss"])).abs() < 1e-12, "{name}: {value}");
        let gradients = output.total.backward()?;
        let expected = entry["gradient_norms"].as_object().expect("norms");
        assert_eq!(expected.len(), weights.vars().len(), "{name}");
        for (key, expected) in expected {
            let gradient = gradients.get(&weights.vars()[key]).unwrap_or_else(|| panic!("{name}: {key}"));
            let norm = gradient.sqr()?.sum_all()?.sqrt()?.to_scalar::<f64>()?;
            assert!(
                (norm - number(expected)).abs() < 1e-12 * (1.0 + norm),
                "{name}, {key}: {norm}, expected {expected}"
            );
        }
    }
    Ok(())
}

/// A network of the golden directory.
struct Case {
    name: String,
    entry: Value,
    checkpoint: Checkpoint,
    io: HashMap<String, Tensor>,
    dtype: DType,
    store: ParamStore,
    model: Box<dyn SequenceNetwork>,
}

impl Case {
    fn number(&self, name: &str) -> f64 {
        self.entry[name].as_f64().unwrap_or_else(|| panic!("{}: {name}", self.name))
    }

    fn forward(&self, train: bool) -> Result<Tensor> {
        Ok(self.model.forward_t(&self.io["input"].to_dtype(self.dtype)?.to_device(&device())?, train)?)
    }

    /// A setting of the checkpoint's optimizer.
    fn setting(&self, name: &str) -> Option<checkpoint::Value<'_>> {
        self.checkpoint.root().get("optimizer")?.get("param_groups")?.get(0)?.get(name)
    }

    /// The optimizer of the checkpoint, with its state, which PyTorch numbers in the order of the parameters.
    fn optimizer(&self) -> Result<Box<dyn Optimizer>> {
        let float =
            |value: Option<Saved>, name: &str| value.and_then(|v| v.as_f64()).unwrap_or_else(|| panic!("{name}"));
        let number = |name: &str| float(self.setting(name), name);
        let config = match self.setting("betas") {
            Some(betas) => OptimizerConfig::Adam(AdamConfig {
                beta1: float(betas.get(0), "betas"),
                beta2: float(betas.get(1), "betas"),
                eps: number("eps"),
                weight_decay: number("weight_decay"),
            }),
            None => OptimizerConfig::Sgd(SgdConfig {
                momentum: number("momentum"),
                dampening: number("dampening"),
                weight_decay: number("weight_decay"),
                nesterov: self.setting("nesterov").and_then(|v| v.as_bool()).expect("nesterov"),
            }),
        };
        let parameters: HashMap<_, _> = self.store.parameters().into_iter().collect();
        let mut optimizer = config.build(self.store.parameters())?;
        let names = self.store.names().into_iter().filter(|name| parameters.contains_key(name));
        let saved =
            self.checkpoint.root().get("optimizer").and_then(|optimizer| optimizer.get("state")).expect("state");
        let mut state = BTreeMap::new();
        for (number, name) in (0i64..).zip(names) {
            for (part, value) in saved.get(number).unwrap_or_else(|| panic!("state of {name}")).entries() {
                let part = part.as_str().expect("a name");
                state.insert(format!("{name}.{part}"), value.tensor()?);
            }
        }
        optimizer.load_state(&state)?;
        Ok(optimizer)
    }
}

/// Runs `test` on every network for texts, in both types.
fn each_case(test: impl Fn(&Case) -> Result<()>) -> Result<()> {
    let Value::Object(entries) = golden::json("models/checkpoints.json") else { panic!("an object of models") };
    let mut tested = 0;
    for (name, entry) in entries {
        let path = golden::directory().join("models").join(entry["checkpoint"].as_str().expect("a path"));
        for dtype in [DType::F64, DType::F32] {
            let Some(network) = network(&name, &keys(&entry["keys"])) else { break };
            let (store, checkpoint) = (ParamStore::new(0, dtype, &device()), Checkpoint::read(&path)?);
            let model = network.build(Options::default(), store.var_builder())?;
            let report = store.load(&checkpoint, Fit::Strict)?;
            assert!(report.fits(), "{name}: {report}");
            let io = golden::tensors(&format!("models/{name}/io.safetensors"));
            test(&Case { name: name.clone(), entry: entry.clone(), checkpoint, io, dtype, store, model })?;
            tested += 1;
        }
    }
    report(tested, &golden::directory());
    Ok(())
}

#[test]
fn logits_from_checkpoints() -> Result<()> {
    each_case(|case| {
        let (name, dtype) = (&case.name, case.dtype);
        // The originals were computed in f32.
        let size = case.io["eval_logits"].abs()?.max_all()?.to_scalar::<f32>()?;
        let bound = 2e-5 * f64::from(size.max(1.0));
        let eval = gap(&case.forward(false)?, &case.io["eval_logits"])?;
        let train = gap(&case.forward(true)?, &case.io["train_logits"])?;
        println!("{name} {dtype:?}: eval {eval:.1e}, train {train:.1e}");
        assert!(eval <= bound && train <= bound, "{name} {dtype:?}: eval {eval:e}, train {train:e}");
        assert!(case.store.buffers().is_empty(), "{name}: a network without batch norm");
        Ok(())
    })
}

#[test]
fn three_training_steps_from_checkpoints() -> Result<()> {
    each_case(|case| {
        let (name, dtype) = (&case.name, case.dtype);
        let loss = LossSpec::margin(case.number("margin"), case.number("alpha")).build()?;
        let labels = case.io["labels"].to_dtype(DType::U32)?.to_device(&device())?;
        let mut optimizer = case.optimizer()?;
        let learning_rate = case.setting("lr").and_then(|lr| lr.as_f64()).expect("lr");
        assert_eq!(learning_rate, case.number("lr"), "{name}");
        let rows = |key: &str| case.entry[key].as_array().unwrap_or_else(|| panic!("{name}: {key}")).clone();
        let single = rows("steps_after_checkpoint[total,ce,margin,grad_norm_before_clip]");
        let double = rows("same_in_f64");
        for (step, (single, double)) in single.iter().zip(&double).enumerate() {
            let output = loss.forward(&LogitBatch::new(&case.forward(true)?, &labels, None)?)?;
            let mut gradients = output.total.backward()?;
            let norm = clip_grad_norm(&case.store.parameters(), &mut gradients, case.number("clip_grad_norm"))?;
            optimizer.step(&gradients, learning_rate)?;
            let value = |t: &Tensor| t.to_dtype(DType::F64)?.to_scalar::<f64>();
            let terms = output.terms.iter().map(|term| value(&term.value)).collect::<candle_core::Result<Vec<_>>>()?;
            let found = [&[value(&output.total)?], &terms[..], &[norm]].concat();
            assert_eq!(found.len(), 4, "{name}");
            for (i, found) in found.into_iter().enumerate() {
                let number = |row: &Value| row[i].as_f64().unwrap_or_else(|| panic!("{name}: {row}"));
                let (single, expected) = (number(single), number(double));
                let bound = match dtype {
                    DType::F64 => 1e-9,
                    _ => 4.0 * (single - expected).abs() + 2e-5 * (1 + step) as f64,
                };
                let gap = (found - expected).abs();
                println!("{name} {dtype:?} step {step} value {i}: {gap:.1e} of {bound:.1e}");
                assert!(
                    gap <= bound * expected.abs().max(1.0),
                    "{name} {dtype:?} step {step}, value {i}: {found}, expected {expected}"
                );
            }
        }
        assert!(!single.is_empty());
        let recorded = case.number("eval_logits_after3_max_abs_f32_minus_f64");
        let exact = gap(&case.forward(false)?, &case.io["eval_logits_after3_f64run"])?;
        // The f64 run is stored in f32.
        let bound = if dtype == DType::F64 { 1e-6 } else { 4.0 * recorded + 1e-5 };
        println!("{name} {dtype:?}: eval after the steps {exact:.1e} of {bound:.1e}");
        assert!(exact <= bound, "{name} {dtype:?}: {exact:e} of {bound:e}");
        let single = gap(&case.forward(false)?, &case.io["eval_logits_after3"])?;
        assert!(single <= bound + recorded, "{name} {dtype:?}: {single:e} of {:e}", bound + recorded);
        Ok(())
    })
}
