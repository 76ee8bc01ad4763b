//! `bench` and `bench-all`: build the benchmark for the requested device and run it.

use crate::arguments::value;
use crate::cargo;
use anyhow::{Result, bail, ensure};
use std::process::{Command, ExitCode};

/// The name of the feature, and of the kind of data that needs it.
const CANDLE_DATASETS: &str = "candle-datasets";

/// Runs the benchmark through cargo, built with the features that the device and the suite need.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let device = device_feature(arguments, Machine::look)?;
    let features: Vec<&str> = device.into_iter().chain(data_feature(arguments)).collect();
    let mut cargo = cargo::run("mbls-bench", &features, arguments);
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        // candle's threads spin at a barrier for every large tensor sum, which takes cores from the
        // parallel runs.
        cargo.env("CANDLE_NUM_THREADS", "1");
    }
    cargo::wait(cargo)
}

/// Returns the cargo feature for the data set of a suite file. The crate candle-datasets has 245
/// dependencies, so it is only built if needed.
fn data_feature(arguments: &[String]) -> Option<&'static str> {
    // Options may precede the suite.
    let suites = arguments.iter().filter(|argument| argument.ends_with(".toml"));
    // The benchmark reports files that are missing or not suites.
    let kind = |file: &String| -> Option<String> {
        let suite: toml::Table = std::fs::read_to_string(file).ok()?.parse().ok()?;
        Some(suite.get("data")?.get("kind")?.as_str()?.to_owned())
    };
    suites.filter_map(kind).any(|kind| kind == CANDLE_DATASETS).then_some(CANDLE_DATASETS)
}

/// The capabilities of this machine to build the benchmark for a GPU and to run it there.
#[derive(Clone, Copy, Debug, Default)]
struct Machine {
    /// Whether it runs macOS.
    macos: bool,
    /// Whether it has Apple silicon.
    apple_silicon: bool,
    /// Whether NVIDIA's CUDA compiler is on the path.
    nvcc: bool,
    /// Whether NVIDIA's driver lists a GPU.
    nvidia_gpu: bool,
    /// Whether `CUDA_COMPUTE_CAP` names the GPU to build for, so the driver is not needed.
    compute_cap: bool,
}

impl Machine {
    /// Detects the capabilities of this machine.
    fn look() -> Self {
        let answers = |program: &str, argument: &str| {
            Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
        };
        Self {
            macos: cfg!(target_os = "macos"),
            apple_silicon: cfg!(all(target_os = "macos", target_arch = "aarch64")),
            nvcc: answers("nvcc", "--version"),
            nvidia_gpu: answers("nvidia-smi", "--list-gpus"),
            compute_cap: std::env::var_os("CUDA_COMPUTE_CAP").is_some(),
        }
    }
}

/// Returns the cargo feature for `--device`. A device for which this machine cannot build is
/// rejected at once, instead of after minutes.
fn device_feature(
    arguments: &[String],
    look: impl FnOnce() -> Machine,
) -> Result<Option<&'static str>> {
    match value(arguments, "--device")?.unwrap_or("auto") {
        "cpu" => Ok(None),
        "cuda" => {
            let machine = look();
            let missing = "--device cuda: expected NVIDIA's CUDA toolkit";
            ensure!(
                machine.nvcc,
                "{missing}, but `nvcc --version` fails: install it, or put its bin folder on the PATH"
            );
            ensure!(
                machine.nvidia_gpu || machine.compute_cap,
                "{missing} and a GPU, but `nvidia-smi --list-gpus` fails: install NVIDIA's driver, or name the GPU to build for \
                 in CUDA_COMPUTE_CAP"
            );
            Ok(Some("cuda"))
        }
        "metal" => {
            ensure!(look().macos, "--device metal: expected macOS, found {}", std::env::consts::OS);
            Ok(Some("metal"))
        }
        "auto" => {
            let machine = look();
            Ok(match machine {
                Machine { apple_silicon: true, .. } => Some("metal"),
                Machine { nvcc: true, nvidia_gpu: true, .. } => Some("cuda"),
                _ => None,
            })
        }
        other => bail!("--device {other}: expected cpu, cuda, metal or auto"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_determines_the_feature() {
        let all = Machine { macos: true, nvcc: true, nvidia_gpu: true, ..Machine::default() };
        assert_eq!(feature("bench digits --device cuda", all).unwrap(), Some("cuda"));
        assert_eq!(feature("bench digits --device=metal --seeds 1", all).unwrap(), Some("metal"));
        assert_eq!(feature("bench-all --device cpu", all).unwrap(), None);
        assert_eq!(feature("bench-all", all).unwrap(), Some("cuda"));
        assert_eq!(
            feature("bench-all", Machine { apple_silicon: true, ..all }).unwrap(),
            Some("metal")
        );
        assert_eq!(feature("bench-all", Machine { nvcc: false, ..all }).unwrap(), None);
        assert!(feature("bench-all --device", all).is_err());
        assert!(feature("bench-all --device tpu", all).unwrap_err().to_string().contains("tpu"));
    }

    #[test]
    fn an_unsupported_device_is_rejected_with_the_missing_parts() {
        let none = Machine::default();
        let error = |text: &str, machine| feature(text, machine).unwrap_err().to_string();
        assert!(error("bench digits --device cuda", none).contains("`nvcc --version` fails"));
        let toolkit = Machine { nvcc: true, ..none };
        assert!(
            error("bench digits --device cuda", toolkit).contains("`nvidia-smi --list-gpus` fails")
        );
        let built_elsewhere = Machine { compute_cap: true, ..toolkit };
        assert_eq!(feature("bench digits --device cuda", built_elsewhere).unwrap(), Some("cuda"));
        assert!(error("bench digits --device metal", toolkit).contains("expected macOS, found"));
    }

    fn feature(text: &str, machine: Machine) -> Result<Option<&'static str>> {
        device_feature(&text.split(' ').map(str::to_owned).collect::<Vec<_>>(), || machine)
    }

    #[test]
    fn the_data_of_a_suite_determines_the_feature() {
        let folder = tempfile::tempdir().unwrap();
        let of = |text: &str| {
            let path = folder.path().join("own.toml");
            std::fs::write(&path, text).unwrap();
            let path = path.display().to_string();
            data_feature(&["bench", "--seeds", "1", &path].map(str::to_owned))
        };
        assert_eq!(
            of("[data]\nkind = \"candle-datasets\"\nset = \"mnist\""),
            Some("candle-datasets")
        );
        assert_eq!(of("data = { kind = \"mnist\" }"), None);
        assert_eq!(of("not TOML"), None);
        assert_eq!(data_feature(&["bench-all".to_owned()]), None);
    }
}
