//! Networks of the golden directory whose training resumes from the published code's checkpoints:
//! weights, optimizer state, loss, clipping.
//!
//! These helpers are for tests only and panic, with the network's name, if a number differs.

use crate::Result;
use candle_core::{DType, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_nn::checkpoint::{ToTensor, Value as Saved};
use mbls_nn::{
    AdamConfig, Checkpoint, Fit, Optimizer, OptimizerConfig, ParamStore, SgdConfig, clip_grad_norm,
};
use mbls_testkit::device;
use mbls_testkit::golden::{self, Key, gap, keys, with_counters};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A network with the weights of its checkpoint.
pub struct Case {
    name: String,
    dtype: DType,
    entry: Value,
    checkpoint: Checkpoint,
    io: HashMap<String, Tensor>,
    store: ParamStore,
    model: Box<dyn ModuleT>,
}

/// The deviation of steps in f32 from those in f64 that is allowed beyond that of the original's
/// f32 steps.
#[derive(Clone, Copy, Debug)]
pub struct Rounding {
    /// For the loss, its terms and the norm of the gradient in a step, relative to the larger of 1
    /// and the value.
    pub step: fn(usize) -> f64,
    /// For the logits after the steps.
    pub after: f64,
}

/// Runs `test` on every network of `models/checkpoints.json` in f64 and f32, and returns the number
/// of tests run.
///
/// `network` returns the network with this name and parameters of these keys, or `None` if it
/// belongs to another crate; `build` builds it.
///
/// # Errors
///
/// Returns an error if a file cannot be read, a network cannot be built, or a test fails.
pub fn each_case<N>(
    network: impl Fn(&str, &[Key]) -> Option<N>,
    build: impl Fn(N, VarBuilder) -> candle_core::Result<Box<dyn ModuleT>>,
    test: impl Fn(&Case) -> Result<()>,
) -> Result<usize> {
    let Value::Object(entries) = golden::json("models/checkpoints.json") else {
        panic!("an object of models")
    };
    let mut tested = 0;
    for (name, entry) in entries {
        let path =
            golden::directory().join("models").join(entry["checkpoint"].as_str().expect("a path"));
        for dtype in [DType::F64, DType::F32] {
            let Some(network) = network(&name, &keys(&entry["keys"])) else { break };
            let (store, checkpoint) =
                (ParamStore::new(0, dtype, &device()), Checkpoint::read(&path)?);
            let model = build(network, store.var_builder())?;
            let report = store.load(&checkpoint, Fit::Strict)?;
            assert!(report.fits(), "{name}: {report}");
            let io = golden::tensors(&format!("models/{name}/io.safetensors"));
            test(&Case {
                name: name.clone(),
                dtype,
                entry: entry.clone(),
                checkpoint,
                io,
                store,
                model,
            })?;
            tested += 1;
        }
    }
    Ok(tested)
}

/// Returns the names, shapes and order of a network's variables as in PyTorch's state dict.
pub fn state_dict_keys(store: &ParamStore) -> Vec<Key> {
    let state = store.state();
    with_counters(store.names().into_iter().map(|name| {
        let shape = state[&name].dims().to_vec();
        (name, shape)
    }))
}

/// Compares the logits in evaluation and in training, and the running statistics of every batch
/// norm after training.
///
/// # Errors
///
/// Returns the errors of the network.
pub fn check_logits(case: &Case) -> Result<()> {
    let (name, dtype) = (&case.name, case.dtype);
    // The originals were computed in f32.
    let size = case.io["eval_logits"].abs()?.max_all()?.to_scalar::<f32>()?;
    let bound = 2e-5 * f64::from(size.max(1.0));
    let eval = gap(&case.forward(false)?, &case.io["eval_logits"])?;
    let train = gap(&case.forward(true)?, &case.io["train_logits"])?;
    println!("{name} {dtype:?}: eval {eval:.1e}, train {train:.1e}");
    assert!(eval <= bound && train <= bound, "{name} {dtype:?}: eval {eval:e}, train {train:e}");
    let buffers = case.store.buffers();
    let expected = case.io.keys().filter(|key| key.starts_with("bn1/")).count();
    assert_eq!(buffers.len(), expected, "{name}: batch norms");
    for (key, var) in buffers {
        let gap = gap(&var, &case.io[&format!("bn1/{key}")])?;
        assert!(gap <= bound, "{name} {dtype:?}, {key}: {gap:e}");
    }
    Ok(())
}

/// Compares three training steps from the checkpoint, and the logits after them.
///
/// In f64 the steps agree with the original's to nine digits; `rounding` bounds the deviation in
/// f32.
///
/// # Errors
///
/// Returns the errors of the network.
pub fn check_three_steps(case: &Case, rounding: Rounding) -> Result<()> {
    let (name, dtype) = (&case.name, case.dtype);
    let loss = LossSpec::margin(case.number("margin"), case.number("alpha")).build()?;
    let labels = case.io["labels"].to_dtype(DType::U32)?.to_device(&device())?;
    let mut optimizer = case.optimizer()?;
    let learning_rate = case.setting("lr").and_then(|lr| lr.as_f64()).expect("lr");
    assert_eq!(learning_rate, case.number("lr"), "{name}");
    let rows =
        |key: &str| case.entry[key].as_array().unwrap_or_else(|| panic!("{name}: {key}")).clone();
    let single = rows("steps_after_checkpoint[total,ce,margin,grad_norm_before_clip]");
    let double = rows("same_in_f64");
    for (step, (single, double)) in single.iter().zip(&double).enumerate() {
        let output = loss.forward(&LogitBatch::new(&case.forward(true)?, &labels, None)?)?;
        let mut gradients = output.total.backward()?;
        let norm = clip_grad_norm(
            &case.store.parameters(),
            &mut gradients,
            case.number("clip_grad_norm"),
        )?;
        optimizer.step(&gradients, learning_rate)?;
        let value = |t: &Tensor| t.to_dtype(DType::F64)?.to_scalar::<f64>();
        let terms = output
            .terms
            .iter()
            .map(|term| value(&term.value))
            .collect::<candle_core::Result<Vec<_>>>()?;
        let found = [&[value(&output.total)?], &terms[..], &[norm]].concat();
        assert_eq!(found.len(), 4, "{name}");
        for (i, found) in found.into_iter().enumerate() {
            let number = |row: &Value| row[i].as_f64().unwrap_or_else(|| panic!("{name}: {row}"));
            let (single, expected) = (number(single), number(double));
            let bound = match dtype {
                DType::F64 => 1e-9,
                _ => 4.0 * (single - expected).abs() + (rounding.step)(step),
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
    let bound = if dtype == DType::F64 { 1e-6 } else { 4.0 * recorded + rounding.after };
    println!("{name} {dtype:?}: eval after the steps {exact:.1e} of {bound:.1e}");
    assert!(exact <= bound, "{name} {dtype:?}: {exact:e} of {bound:e}");
    let single = gap(&case.forward(false)?, &case.io["eval_logits_after3"])?;
    assert!(single <= bound + recorded, "{name} {dtype:?}: {single:e} of {:e}", bound + recorded);
    Ok(())
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("dtype", &self.dtype)
            .finish_non_exhaustive()
    }
}

impl Case {
    fn number(&self, name: &str) -> f64 {
        self.entry[name].as_f64().unwrap_or_else(|| panic!("{}: {name}", self.name))
    }

    fn forward(&self, train: bool) -> Result<Tensor> {
        Ok(self
            .model
            .forward_t(&self.io["input"].to_dtype(self.dtype)?.to_device(&device())?, train)?)
    }

    /// A setting of the checkpoint's optimizer.
    fn setting(&self, name: &str) -> Option<Saved<'_>> {
        self.checkpoint.root().get("optimizer")?.get("param_groups")?.get(0)?.get(name)
    }

    /// The optimizer of the checkpoint with its state, which PyTorch numbers in the order of the
    /// parameters.
    fn optimizer(&self) -> Result<Box<dyn Optimizer>> {
        let float = |value: Option<Saved>, name: &str| {
            value.and_then(|v| v.as_f64()).unwrap_or_else(|| panic!("{name}"))
        };
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
        let saved = self
            .checkpoint
            .root()
            .get("optimizer")
            .and_then(|optimizer| optimizer.get("state"))
            .expect("state");
        let mut state = BTreeMap::new();
        for (number, name) in (0i64..).zip(names) {
            for (part, value) in
                saved.get(number).unwrap_or_else(|| panic!("state of {name}")).entries()
            {
                let part = part.as_str().expect("a name");
                state.insert(format!("{name}.{part}"), value.tensor()?);
            }
        }
        optimizer.load_state(&state)?;
        Ok(optimizer)
    }
}
