//! A training step by the benchmark program, with its suite for the data set.

use crate::support::{program, run, text};
use candle_core::{DType, Device, Tensor};
use mbls_data::Seed;
use mbls_nn::ParamStore;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use toml::{Table, Value};

/// The part of a suite to run: its first loss, for one step.
pub(crate) struct Training {
    /// The suite.
    pub(crate) suite: &'static str,
    /// The network.
    pub(crate) model: &'static str,
    /// Number of training samples, which form one batch, of validation samples and of test samples.
    pub(crate) sizes: [usize; 3],
}

/// The outcome of the run.
pub(crate) struct Trained {
    _out: TempDir,
    /// The run's folder.
    pub(crate) cell: PathBuf,
    /// Parameters and buffers after the step.
    pub(crate) parameters: HashMap<String, Tensor>,
    /// The output of the program.
    pub(crate) said: String,
}

impl Training {
    /// Trains on the data folder. The recipe is that of the profile `local`, changed by `change`.
    pub(crate) fn run(&self, data: &Path, change: impl FnOnce(&mut Table)) -> Trained {
        let out = tempfile::tempdir().expect("a folder");
        let suite = out.path().join("suite.toml");
        std::fs::write(&suite, self.suite(change).to_string()).expect("a file");
        let [suite, folder] =
            [&suite, &out.path().join("out")].map(|path| path.to_str().expect("UTF-8").to_owned());
        let data = data.to_str().expect("UTF-8");
        let mut command =
            program(&["bench", &suite, "--data", data, "--out", &folder, "--device", "cpu"]);
        // As `cargo xtask bench` sets it.
        command.env("CANDLE_NUM_THREADS", "1");
        let said = text(&run(command));
        let cell = Path::new(&folder).join(self.name()).join(self.model).join("ce/seed-0");
        let saved = candle_core::safetensors::load(cell.join("best.safetensors"), &Device::Cpu)
            .expect("tensors");
        let of_model = |(name, tensor): (String, Tensor)| {
            Some((name.strip_prefix("model.")?.to_owned(), tensor))
        };
        let parameters = saved.into_iter().filter_map(of_model).collect();
        let trained = Trained { _out: out, cell, parameters, said };
        trained.check_log(self.sizes[2]);
        trained
    }

    /// Returns the name of the changed suite.
    fn name(&self) -> String {
        format!("{}-step", self.suite)
    }

    fn suite(&self, change: impl FnOnce(&mut Table)) -> Table {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("suites")
            .join(format!("{}.toml", self.suite));
        let mut suite: Table =
            std::fs::read_to_string(path).expect("a suite").parse().expect("TOML");
        let local = suite["profile"].get("local").and_then(|local| local.get("recipe")).cloned();
        let recipe = suite["recipe"].as_table_mut().expect("a recipe");
        recipe.extend(
            local.into_iter().flat_map(|local| local.as_table().expect("a recipe").clone()),
        );
        recipe.insert("batch_size".to_owned(), (self.sizes[0] as i64).into());
        recipe.remove("pretrained");
        change(recipe);
        let mut profile = Table::from_iter([
            ("epochs".to_owned(), Value::from(1)),
            ("seeds".to_owned(), 1.into()),
        ]);
        let sizes = ["train", "validation", "test"].into_iter().zip(self.sizes);
        profile.extend(sizes.map(|(name, size)| (name.to_owned(), (size as i64).into())));
        suite.insert(
            "profile".to_owned(),
            Table::from_iter([("default".to_owned(), profile.into())]).into(),
        );
        suite.insert("name".to_owned(), self.name().into());
        suite.insert("model".to_owned(), self.model.into());
        suite["loss"].as_array_mut().expect("losses").truncate(1);
        suite.remove("shift");
        suite
    }
}

impl Trained {
    /// Checks that one epoch has a finite loss and gradient, and that the test metrics are finite.
    fn check_log(&self, tested: usize) {
        let log = std::fs::read_to_string(self.cell.join("events.jsonl")).expect("a log");
        let events: Vec<Json> =
            log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let epochs: Vec<&Json> = events.iter().filter(|event| event["event"] == "epoch").collect();
        let [epoch] = epochs[..] else { panic!("{} epochs", epochs.len()) };
        for value in [&epoch["train"]["loss"], &epoch["gradient_norm"]] {
            assert!(
                value.as_f64().is_some_and(|value| value > 0.0 && value.is_finite()),
                "{epoch}"
            );
        }
        let result = std::fs::read(self.cell.join("result.json")).expect("a result");
        let cell = serde_json::from_slice::<Json>(&result).expect("JSON")["cell"].clone();
        assert_eq!(cell["n"].as_u64(), Some(tested as u64), "{cell}");
        assert!(cell["metrics"]["nll"].as_f64().is_some_and(f64::is_finite), "{cell}");
    }

    /// Checks that every parameter of the network that `build` builds has changed since
    /// initialisation, and is finite.
    pub(crate) fn assert_changed<T, E: std::fmt::Debug>(
        &self,
        build: impl FnOnce(&ParamStore) -> Result<T, E>,
    ) {
        let store = ParamStore::new(Seed(0).derive("parameters").0, DType::F32, &Device::Cpu);
        build(&store).expect("a network");
        assert!(!store.parameters().is_empty());
        for (name, before) in store.parameters() {
            let after =
                self.parameters.get(&name).unwrap_or_else(|| panic!("{name} was not saved"));
            assert_eq!(after.dims(), before.dims(), "{name}");
            let [before, after] = [before.as_tensor(), after].map(values);
            assert!(after.iter().all(|value| value.is_finite()), "{name} is not finite");
            assert_ne!(after, before, "{name} has not changed");
        }
    }
}

/// Returns the values of a tensor in row-major order.
pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("values")
}
