//! `bench` and `bench-all`: builds the benchmark for the device that is asked for and runs it.

use crate::cargo;
use anyhow::{Context, Result, bail};
use std::process::{Command, ExitCode};

/// The feature, and the kind of data that needs it.
const CANDLE_DATASETS: &str = "candle-datasets";

/// Runs the benchmark through cargo, built with the features that the device and the suite need.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let device = device_feature(arguments)?;
    let features: Vec<&str> = device.into_iter().chain(data_feature(arguments)).collect();
    let mut cargo = cargo::run("mbls-bench", &features, arguments);
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        // candle's own threads spin at a barrier for every large sum of tensors, and take the cores from the trainings.
        cargo.env("CANDLE_NUM_THREADS", "1");
    }
    eprintln!("building the benchmark for {} (some minutes the first time)", device.unwrap_or("cpu"));
    cargo::wait(cargo)
}

/// The cargo feature of the data set of a suite in a file: what the crate candle-datasets loads needs 245 further crates.
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

/// The cargo feature of the device in `--device`.
fn device_feature(arguments: &[String]) -> Result<Option<&'static str>> {
    match device(arguments)? {
        "cpu" => Ok(None),
        "cuda" => Ok(Some("cuda")),
        "metal" => Ok(Some("metal")),
        "auto" if cfg!(all(target_os = "macos", target_arch = "aarch64")) => Ok(Some("metal")),
        "auto" if has_cuda_toolkit() => Ok(Some("cuda")),
        "auto" => Ok(None),
        other => bail!("--device {other}: expected cpu, cuda, metal or auto"),
    }
}

fn device(arguments: &[String]) -> Result<&str> {
    for (i, argument) in arguments.iter().enumerate() {
        if let Some(device) = argument.strip_prefix("--device=") {
            return Ok(device);
        }
        if argument == "--device" {
            return arguments.get(i + 1).map(String::as_str).context("--device: expected cpu, cuda, metal or auto");
        }
    }
    Ok("auto")
}

/// Whether the benchmark can be built for CUDA here and has a GPU to run on: a toolkit's compiler, and the driver's tool.
fn has_cuda_toolkit() -> bool {
    let answers = |program: &str, argument: &str| {
        Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
    };
    answers("nvcc", "--version") && answers("nvidia-smi", "--list-gpus")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_decides_the_feature() {
        let feature = |text: &str| device_feature(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(feature("bench digits --device cuda").unwrap(), Some("cuda"));
        assert_eq!(feature("bench digits --device=metal --seeds 1").unwrap(), Some("metal"));
        assert_eq!(feature("bench-all --device cpu").unwrap(), None);
        assert!(feature("bench-all --device").is_err());
        assert!(feature("bench-all --device tpu").unwrap_err().to_string().contains("tpu"));
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
        assert_eq!(of("[data]\nkind = \"candle-datasets\"\nset = \"mnist\""), Some("candle-datasets"));
        assert_eq!(of("data = { kind = \"mnist\" }"), None);
        assert_eq!(of("not TOML"), None);
        assert_eq!(data_feature(&["bench-all".to_owned()]), None);
    }
}
