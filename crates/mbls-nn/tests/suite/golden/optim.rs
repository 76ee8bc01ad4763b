//! Optimizers, clipping and schedules compared with values computed by PyTorch.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use mbls_nn::{
    AdamConfig, Optimizer, OptimizerConfig, Result, Schedule, SgdConfig, clip_grad_norm,
};
use mbls_testkit::golden;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Parses the settings of a case from its name, and its learning rate; the file records settings as
/// names.
fn settings(case: &str) -> (OptimizerConfig, f64, Option<f64>) {
    let parts: BTreeSet<&str> = case.split('_').collect();
    let clip = parts
        .iter()
        .find_map(|part| part.strip_prefix("clip"))
        .map(|norm| norm.parse().expect("a norm"));
    let without_decay = parts.contains("nowd");
    let weight_decay = if without_decay { 0.0 } else { 5e-4 };
    if parts.contains("adam") {
        let config = AdamConfig { weight_decay, ..Default::default() };
        return (OptimizerConfig::Adam(config), if without_decay { 1e-3 } else { 1e-2 }, clip);
    }
    assert!(parts.contains("sgd"), "{case}: neither SGD nor Adam");
    let momentum = if parts.contains("nomom") { 0.0 } else { 0.9 };
    let config = SgdConfig {
        momentum,
        weight_decay,
        nesterov: parts.contains("nesterov"),
        ..Default::default()
    };
    (OptimizerConfig::Sgd(config), 0.1, clip)
}

struct Run {
    parameters: Vec<(String, Var)>,
    optimizer: Box<dyn Optimizer>,
    learning_rate: f64,
    clip: Option<f64>,
}

impl Run {
    fn new(case: &str, start: &BTreeMap<String, Tensor>) -> Result<Self> {
        let (config, learning_rate, clip) = settings(case);
        let var = |(name, value): (&String, &Tensor)| {
            Ok((name.clone(), Var::from_tensor(&value.copy()?)?))
        };
        let parameters = start.iter().map(var).collect::<Result<Vec<_>>>()?;
        let optimizer = config.build(parameters.clone())?;
        Ok(Self { parameters, optimizer, learning_rate, clip })
    }

    /// Performs one step with the `k`-th gradients and returns the norm before clipping.
    fn step(&mut self, tensors: &HashMap<String, Tensor>, k: usize) -> Result<Option<f64>> {
        let mut grads = GradStore::default();
        for (name, var) in &self.parameters {
            grads.insert(var, tensors[&format!("grad{k}/{name}")].clone());
        }
        let norm =
            self.clip.map(|clip| clip_grad_norm(&self.parameters, &mut grads, clip)).transpose()?;
        self.optimizer.step(&grads, self.learning_rate)?;
        Ok(norm)
    }

    fn values(&self) -> Result<Vec<Vec<f32>>> {
        self.parameters.iter().map(|(_, var)| Ok(var.flatten_all()?.to_vec1::<f32>()?)).collect()
    }
}

fn start(tensors: &HashMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    tensors
        .iter()
        .filter_map(|(key, t)| Some((key.strip_prefix("init/")?.to_string(), t.clone())))
        .collect()
}

fn cases(tensors: &HashMap<String, Tensor>) -> BTreeSet<String> {
    let cases: BTreeSet<String> =
        tensors.keys().filter_map(|key| Some(key.split_once("/step")?.0.to_string())).collect();
    assert!(!cases.is_empty());
    cases
}

fn steps(tensors: &HashMap<String, Tensor>) -> usize {
    let count = (0..)
        .take_while(|k| tensors.keys().any(|key| key.starts_with(&format!("grad{k}/"))))
        .count();
    assert!(count > 0);
    count
}

#[test]
fn steps_match() -> Result<()> {
    let tensors = golden::tensors("optim.safetensors");
    let norms =
        golden::json("optim.json")["grad_norms_before_clip"].as_array().cloned().expect("norms");
    for case in cases(&tensors) {
        let mut run = Run::new(&case, &start(&tensors))?;
        for k in 0..steps(&tensors) {
            let norm = run.step(&tensors, k)?;
            if let Some(norm) = norm {
                let expected = norms[k].as_f64().expect("a norm");
                assert!(
                    (norm - expected).abs() <= 1e-6 * expected,
                    "{case} step {k}: norm {norm}, expected {expected}"
                );
            }
            for (name, var) in &run.parameters {
                let expected = &tensors[&format!("{case}/step{}/{name}", k + 1)];
                let (found, expected) = (
                    var.flatten_all()?.to_vec1::<f32>()?,
                    expected.flatten_all()?.to_vec1::<f32>()?,
                );
                for (found, expected) in found.iter().zip(&expected) {
                    let bound = 1e-6 * expected.abs().max(1.0);
                    assert!(
                        (found - expected).abs() <= bound,
                        "{case} step {k} {name}: {found}, expected {expected}"
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_restored_state_continues_bit_identically() -> Result<()> {
    let tensors = golden::tensors("optim.safetensors");
    let n = steps(&tensors);
    for case in cases(&tensors) {
        let mut whole = Run::new(&case, &start(&tensors))?;
        let mut first = Run::new(&case, &start(&tensors))?;
        for k in 0..n / 2 {
            whole.step(&tensors, k)?;
            first.step(&tensors, k)?;
        }
        let parameters = first
            .parameters
            .iter()
            .map(|(name, var)| (name.clone(), var.as_detached_tensor()))
            .collect();
        let mut second = Run::new(&case, &parameters)?;
        second.optimizer.load_state(&first.optimizer.state())?;
        for k in n / 2..n {
            whole.step(&tensors, k)?;
            second.step(&tensors, k)?;
        }
        assert_eq!(whole.values()?, second.values()?, "{case}");
        let (a, b) = (whole.optimizer.state(), second.optimizer.state());
        assert!(a.keys().eq(b.keys()));
    }
    Ok(())
}

#[test]
fn schedules_match() -> Result<()> {
    let json = golden::json("optim.json");
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let mut compared = BTreeSet::new();
    for (name, entry) in json["schedulers"].as_object().expect("schedulers") {
        let Some(rates) = entry["lr"].as_array() else { continue };
        let gamma = entry["gamma"].as_f64();
        let metrics: Vec<f64> =
            entry["metrics"].as_array().map_or(Vec::new(), |m| m.iter().map(number).collect());
        let schedule = if let (Some(milestones), Some(gamma)) =
            (entry["milestones"].as_array(), gamma)
        {
            Schedule::MultiStep {
                milestones: milestones.iter().map(|m| number(m) as usize).collect(),
                gamma,
            }
        } else if let (Some(size), Some(gamma)) = (entry["step_size"].as_u64(), gamma) {
            Schedule::MultiStep {
                milestones: (1..=rates.len()).map(|k| k * size as usize).collect(),
                gamma,
            }
        } else if let (Some(epochs), Some(minimum)) =
            (entry["T_max"].as_u64(), entry["eta_min"].as_f64())
        {
            Schedule::Cosine { epochs: epochs as usize, minimum }
        } else {
            let field = |field: &str| (field.to_owned(), entry[field].clone());
            let fields = ["factor", "patience", "mode", "threshold", "threshold_mode"].map(field);
            Schedule::ReduceOnPlateau(
                serde_json::from_value(fields.into_iter().collect())
                    .expect("settings of a plateau"),
            )
        };
        for (epoch, rate) in rates.iter().enumerate() {
            let (found, expected) = (
                schedule.learning_rate(
                    number(&rates[0]),
                    epoch,
                    &metrics[..epoch.min(metrics.len())],
                ),
                number(rate),
            );
            assert!(
                (found - expected).abs() <= 1e-12 * expected,
                "{name} epoch {epoch}: {found}, expected {expected}"
            );
        }
        compared.insert(name.clone());
    }
    assert!(compared.contains("plateau") && compared.len() >= 3, "{compared:?}");
    Ok(())
}
