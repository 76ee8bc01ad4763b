//! `bench` and `bench-all`: builds the benchmark for the device that is asked for and runs it.

use crate::arguments::value;
use crate::cargo;
use anyhow::{Result, bail, ensure};
use std::process::{Command, ExitCode};

/// The feature, and the kind of data that needs it.
const CANDLE_DATASETS: &str = "candle-datasets";

/// Runs the benchmark through cargo, built with the features that the device and the suite need.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let device = device_feature(arguments, Machine::look)?;
    let features: Vec<&str> = device.into_iter().chain(data_feature(arguments)).collect();
    let mut cargo = cargo::run("mbls-bench", &features, arguments);
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        // candle's own threads spin at a barrier for every large sum of tensors, and take the cores
        // from the trainings.
        cargo.env("CANDLE_NUM_THREADS", "1");
    }
    cargo::wait(cargo)
}

/// The cargo feature of the data set of a suite in a file: what the crate candle-datasets loads
/// needs 245 further crates.
fn data_feature(arguments: &[String]) -> Option<&'static str> {
    // Options may stand before the suite.
    let suites = arguments.iter().filter(|argument| argument.ends_with(".toml"));
    // Files that are missing or no suites are the benchmark's to report.
    let kind = |file: &String| -> Option<String> {
        let suite: toml::Table = std::fs::read_to_string(file).ok()?.parse().ok()?;
        Some(suite.get("data")?.get("kind")?.as_str()?.to_owned())
    };
    suites.filter_map(kind).any(|kind| kind == CANDLE_DATASETS).then_some(CANDLE_DATASETS)
}

/// What this machine has to build the benchmark for a GPU, and to run it there.
#[derive(Clone, Copy, Debug, Default)]
struct Machine {
    /// Whether it runs macOS.
    macos: bool,
    /// Whether its processor is Apple's.
    apple_silicon: bool,
    /// Whether the compiler of NVIDIA's toolkit is on the path.
    nvcc: bool,
    /// Whether NVIDIA's driver lists a GPU.
    nvidia_gpu: bool,
    /// Whether `CUDA_COMPUTE_CAP` says for which GPU to build, so that the driver is not asked.
    compute_cap: bool,
}

impl Machine {
    /// Looks at this machine.
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

/// The cargo feature of the device in `--device`; a device that this machine cannot build for is
/// refused before minutes go by.
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
                "{missing}, and `nvcc --version` fails: install it, or put its bin folder on the PATH"
            );
            ensure!(
                machine.nvidia_gpu || machine.compute_cap,
                "{missing} and a GPU, and `nvidia-smi --list-gpus` fails: install NVIDIA's driver, or name the GPU to build for \
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
    fn device_decides_the_feature() {
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
    fn a_device_that_cannot_be_built_for_is_refused_with_what_is_missing() {
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
    fn the_data_of_a_suite_decides_the_feature() {
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
