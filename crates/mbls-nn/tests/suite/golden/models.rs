//! Networks composed of these layers, continued from PyTorch's checkpoints: logits, running
//! statistics and three training steps.

mod network;

use candle_core::{D, DType, Device, Tensor};
use candle_nn::ModuleT;
use mbls_nn::checkpoint::{StateDict, ToTensor};
use mbls_nn::{
    Checkpoint, Fit, Optimizer, ParamStore, Relu, Result, Sgd, SgdConfig, checkpoint,
    clip_grad_norm,
};
use mbls_testkit::golden;
use network::Shapes;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// One model of the golden directory.
struct Case {
    entry: Value,
    keys: Vec<String>,
    shapes: Shapes,
    checkpoint: Checkpoint,
    io: HashMap<String, Tensor>,
    dtype: DType,
}

impl Case {
    /// Returns `(store, network)` with the checkpoint's weights; `None` for an unknown
    /// architecture.
    fn load(&self) -> Result<Option<(ParamStore, Box<dyn ModuleT>)>> {
        let store = ParamStore::new(0, self.dtype, &Device::Cpu);
        let Some(network) = network::build(&self.shapes, store.var_builder())? else {
            return Ok(None);
        };
        store.load(&self.checkpoint, Fit::Strict)?;
        Ok(Some((store, network)))
    }

    fn number(&self, name: &str) -> f64 {
        self.entry[name].as_f64().unwrap_or_else(|| panic!("{name}"))
    }

    fn input(&self) -> Result<Tensor> {
        Ok(self.io["input"].to_dtype(self.dtype)?)
    }

    /// Returns a setting of the checkpoint's optimizer.
    fn setting(&self, name: &str) -> checkpoint::Value<'_> {
        let groups = self
            .checkpoint
            .root()
            .get("optimizer")
            .and_then(|optimizer| optimizer.get("param_groups"));
        groups.and_then(|groups| groups.get(0)?.get(name)).unwrap_or_else(|| panic!("{name}"))
    }

    /// Returns the optimizer of the checkpoint, with its settings and its momentum, which PyTorch
    /// numbers in the order of the keys.
    fn optimizer(&self, store: &ParamStore) -> Result<Sgd> {
        let number = |name: &str| self.setting(name).as_f64().unwrap_or_else(|| panic!("{name}"));
        let config = SgdConfig {
            momentum: number("momentum"),
            weight_decay: number("weight_decay"),
            nesterov: self.setting("nesterov").as_bool().expect("nesterov"),
            ..Default::default()
        };
        let mut sgd = Sgd::new(store.parameters(), config)?;
        let trained =
            self.keys.iter().filter(|key| store.parameters().iter().any(|(name, _)| name == *key));
        let state =
            self.checkpoint.root().get("optimizer").and_then(|optimizer| optimizer.get("state"));
        let buffer = |(i, key): (usize, &String)| {
            let buffer = state.and_then(|state| state.get(i as i64)?.get("momentum_buffer"));
            Ok((
                format!("{key}.momentum_buffer"),
                buffer.unwrap_or_else(|| panic!("momentum {i}")).tensor()?,
            ))
        };
        sgd.load_state(&trained.enumerate().map(buffer).collect::<Result<BTreeMap<_, _>>>()?)?;
        Ok(sgd)
    }

    /// Returns `[total, cross entropy, margin penalty]` as scalars.
    fn loss(&self, logits: &Tensor) -> Result<[Tensor; 3]> {
        let labels = self.io["labels"].unsqueeze(1)?;
        let entropy = candle_nn::ops::log_softmax(logits, D::Minus1)?
            .gather(&labels, 1)?
            .mean_all()?
            .neg()?;
        let distance = logits.max_keepdim(1)?.broadcast_sub(logits)?;
        let margin = candle_core::Module::forward(&Relu, &(distance - self.number("margin"))?)?
            .mean_all()?;
        Ok([(&entropy + (&margin * self.number("alpha"))?)?, entropy, margin])
    }
}

/// Runs `test` on every model of the golden directory with a known architecture, in both types.
fn each_case(test: impl Fn(&str, &Case) -> Result<()>) -> Result<()> {
    let Value::Object(entries) = golden::json("models/checkpoints.json") else {
        panic!("checkpoints.json: no object")
    };
    let mut tested = 0;
    for (name, entry) in entries {
        let pairs = entry["keys"].as_array().unwrap_or_else(|| panic!("{name}: keys"));
        let size = |v: &Value| v.as_u64().unwrap_or_else(|| panic!("{name}: {v}")) as usize;
        let key =
            |pair: &Value| pair[0].as_str().unwrap_or_else(|| panic!("{name}: {pair}")).to_string();
        let shape = |pair: &Value| pair[1].as_array().into_iter().flatten().map(size).collect();
        let keys: Vec<String> = pairs.iter().map(key).collect();
        let shapes: Shapes = pairs.iter().map(|pair| (key(pair), shape(pair))).collect();
        let path = entry["checkpoint"]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: checkpoint"))
            .to_string();
        let mut case = Case {
            entry,
            keys,
            shapes,
            checkpoint: Checkpoint::read(&golden::directory().join("models").join(path))?,
            io: golden::tensors(&format!("models/{name}/io.safetensors")),
            dtype: DType::F32,
        };
        // For every architecture, known or not.
        let state = case.checkpoint.state_dict()?;
        let found: Shapes =
            state.into_iter().map(|(name, tensor)| (name, tensor.dims().to_vec())).collect();
        assert_eq!(found, case.shapes, "{name}");
        for dtype in [DType::F32, DType::F64] {
            case.dtype = dtype;
            if case.load()?.is_some() {
                test(&name, &case)?;
                tested += 1;
            }
        }
    }
    assert!(tested > 0, "no model of a known architecture");
    Ok(())
}

fn gap(a: &Tensor, b: &Tensor) -> Result<f64> {
    assert_eq!(a.dims(), b.dims());
    Ok((a.to_dtype(DType::F64)? - b.to_dtype(DType::F64)?)?.abs()?.max_all()?.to_scalar()?)
}

#[test]
fn logits_and_running_statistics() -> Result<()> {
    each_case(|name, case| {
        let Some((store, network)) = case.load()? else { return Ok(()) };
        let eval = gap(&network.forward_t(&case.input()?, false)?, &case.io["eval_logits"])?;
        let train = gap(&network.forward_t(&case.input()?, true)?, &case.io["train_logits"])?;
        println!("{name} {:?}: eval {eval:.1e}, train {train:.1e}", case.dtype);
        assert!(
            eval < 2e-5 && train < 2e-5,
            "{name} {:?}: eval {eval:e}, train {train:e}",
            case.dtype
        );
        let buffers = store.buffers();
        assert!(!buffers.is_empty());
        for (key, var) in buffers {
            let gap = gap(&var, &case.io[&format!("bn1/{key}")])?;
            assert!(gap < 2e-5, "{name} {:?}, {key}: {gap:e}", case.dtype);
        }
        Ok(())
    })
}

#[test]
fn three_training_steps() -> Result<()> {
    each_case(|name, case| {
        let Some((store, network)) = case.load()? else { return Ok(()) };
        let mut optimizer = case.optimizer(&store)?;
        let learning_rate = case.setting("lr").as_f64().expect("lr");
        let rows = |key: &str| {
            case.entry[key].as_array().unwrap_or_else(|| panic!("{name}: {key}")).clone()
        };
        let single = rows("steps_after_checkpoint[total,ce,margin,grad_norm_before_clip]");
        let double = rows("same_in_f64");
        for (step, (single, double)) in single.iter().zip(&double).enumerate() {
            let [total, entropy, margin] = case.loss(&network.forward_t(&case.input()?, true)?)?;
            let mut grads = total.backward()?;
            let norm =
                clip_grad_norm(&store.parameters(), &mut grads, case.number("clip_grad_norm"))?;
            optimizer.step(&grads, learning_rate)?;
            let value =
                |t: &Tensor| Ok::<f64, mbls_nn::Error>(t.to_dtype(DType::F64)?.to_scalar()?);
            for (i, found) in
                [value(&total)?, value(&entropy)?, value(&margin)?, norm].into_iter().enumerate()
            {
                let number =
                    |row: &Value| row[i].as_f64().unwrap_or_else(|| panic!("{name}: {row}"));
                let (single, double) = (number(single), number(double));
                // The recorded distance between f32 and f64 shows how far training has amplified
                // rounding so far.
                let (expected, bound) = match case.dtype {
                    DType::F64 => (double, 1e-9),
                    _ => (double, 4.0 * (single - double).abs() + 2e-5 * (1 + step) as f64),
                };
                println!(
                    "{name} {:?} step {step} value {i}: {:.1e} of {bound:.1e}",
                    case.dtype,
                    (found - expected).abs()
                );
                assert!(
                    (found - expected).abs() <= bound * expected.abs().max(1.0),
                    "{name} {:?} step {step}, value {i}: {found}, expected {expected}",
                    case.dtype
                );
            }
        }
        assert!(!single.is_empty());
        let recorded = case.number("eval_logits_after3_max_abs_f32_minus_f64");
        let eval =
            gap(&network.forward_t(&case.input()?, false)?, &case.io["eval_logits_after3_f64run"])?;
        let bound = if case.dtype == DType::F64 { 1e-6 } else { 4.0 * recorded + 1e-4 };
        println!("{name} {:?}: eval after the steps {eval:.1e} of {bound:.1e}", case.dtype);
        assert!(eval <= bound, "{name} {:?}: {eval:e} of {bound:e}", case.dtype);
        Ok(())
    })
}
