//! The program of a `step` benchmark: times training steps or inference of a network and prints one
//! JSON line.
//!
//! Arguments of every such benchmark: `[--batch N] [--mode train|inference] [--precision
//! f32|bf16|tf32] [--threads T] [--seconds S] [--cuda] [--parts]`; `tf32` requires a CUDA device. A
//! step is forward pass, MbLS, backward pass, clipping if the workload has it, and SGD with
//! momentum. Inference is the forward pass alone, with running statistics and without a graph. The
//! line contains the number of parameters, the median and minimum time, and the peak memory of the
//! process. With `--parts`, a line on standard error contains the median times of the parts of a
//! training step, with a synchronisation after each.

use crate::Result;
use candle_core::{DType, Device, Tensor};
use candle_nn::ModuleT;
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_nn::{OptimizerConfig, ParamStore, SgdConfig, backward, clip_grad_norm, no_grad};
use std::time::{Duration, Instant};

/// The device and the batch size of a workload.
#[derive(Debug)]
pub struct Settings {
    /// Samples in a batch.
    pub batch: usize,
    /// The type of weights and activations.
    pub dtype: DType,
    /// The device of weights and activations.
    pub device: Device,
    train: bool,
    parts: bool,
}

/// A network with its data.
pub trait Workload: Sync {
    /// Default number of samples in a batch.
    const BATCH: usize;
    /// The margin of the loss, MbLS with alpha 0.1.
    const MARGIN: f64;
    /// The norm that gradients are clipped to.
    const CLIP: Option<f64>;
    /// The ignored label.
    const IGNORED: Option<i64> = None;

    /// Reads the value of an argument that only this benchmark has; `false` if it has no such
    /// argument.
    ///
    /// # Errors
    ///
    /// Returns an error if the value is missing or invalid.
    fn set(&mut self, argument: &str, value: &mut dyn FnMut() -> Result<String>) -> Result<bool>;

    /// Builds the network in the store.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such network.
    fn model(&self, settings: &Settings, store: &ParamStore) -> Result<Box<dyn ModuleT>>;

    /// Returns a batch of inputs.
    ///
    /// # Errors
    ///
    /// Returns the errors of the device.
    fn input(&self, settings: &Settings) -> Result<Tensor>;

    /// Returns the labels of the batch.
    ///
    /// # Errors
    ///
    /// Returns the errors of the device.
    fn labels(&self, settings: &Settings) -> Result<Tensor>;
}

/// Reads the command line and times the workload.
///
/// # Errors
///
/// Returns an error if an argument is unknown or has an invalid value, and errors of the network.
pub fn main<W: Workload>(mut workload: W) -> Result<()> {
    let (mut threads, mut seconds) = (1, 5.0);
    let mut settings = Settings {
        batch: W::BATCH,
        dtype: DType::F32,
        device: Device::Cpu,
        train: true,
        parts: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || Ok(arguments.next().ok_or(format!("{argument} needs a value"))?);
        match argument.as_str() {
            "--threads" => threads = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--batch" => settings.batch = value()?.parse()?,
            "--mode" => settings.train = choice(&argument, &value()?, ["train", "inference"])?,
            "--precision" => match value()?.as_str() {
                "f32" => {}
                "bf16" => settings.dtype = DType::BF16,
                #[cfg(feature = "cuda")]
                "tf32" => mbls_nn::allow_tf32(true),
                other => {
                    return Err(format!(
                        "--precision {other}: expected f32, bf16 or, with the feature cuda, tf32"
                    )
                    .into());
                }
            },
            "--cuda" => {
                settings.device = Device::new_cuda(0)?;
                #[cfg(feature = "cuda")]
                {
                    mbls_nn::keep_memory(&settings.device, u64::MAX)?;
                    // SAFETY: nothing here opens a second stream.
                    unsafe { mbls_nn::without_events(&settings.device)? };
                }
            }
            "--parts" => settings.parts = true,
            // Added by `cargo bench`.
            "--bench" => {}
            _ if workload.set(&argument, &mut value)? => {}
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let limit = Duration::from_secs_f64(seconds);
    let (parameters, times) = pool.install(|| run(&workload, &settings, limit))?;
    let middle = (times[times.len() / 2] + times[(times.len() - 1) / 2]) / 2.0;
    let (least, memory) = (times[0], peak_memory()?);
    println!(
        r#"{{"threads": {threads}, "parameters": {parameters}, "median": {middle}, "least": {least}, "memory": {memory}}}"#
    );
    Ok(())
}

/// Returns whether the value of an argument is the first of two.
///
/// # Errors
///
/// Returns an error if it is neither.
pub fn choice(argument: &str, value: &str, [first, second]: [&str; 2]) -> Result<bool> {
    match value {
        _ if value == first => Ok(true),
        _ if value == second => Ok(false),
        _ => Err(format!("{argument} {value}: expected {first} or {second}").into()),
    }
}

/// Returns the number of parameters, and the times of the passes in ascending order.
fn run<W: Workload>(
    workload: &W,
    settings: &Settings,
    limit: Duration,
) -> Result<(usize, Vec<f64>)> {
    let device = &settings.device;
    let store = ParamStore::new(0, settings.dtype, device);
    let model = workload.model(settings, &store)?;
    let parameters = store.parameters().iter().map(|(_, var)| var.elem_count()).sum();
    let input = workload.input(settings)?;
    if !settings.train {
        let times = times(limit, || {
            no_grad(|| model.forward_t(&input, false))?;
            Ok(device.synchronize()?)
        })?;
        return Ok((parameters, times));
    }
    let loss = LossSpec::margin(W::MARGIN, 0.1).build()?;
    let sgd = SgdConfig { momentum: 0.9, weight_decay: 5e-4, ..Default::default() };
    let mut optimizer = OptimizerConfig::Sgd(sgd).build(store.parameters())?;
    let labels = workload.labels(settings)?;
    let mut parts: [Vec<f64>; 4] = Default::default();
    let times = times(limit, || {
        let mut begin = Instant::now();
        let mut part = |i: usize| -> Result<()> {
            if settings.parts {
                device.synchronize()?;
                parts[i].push(begin.elapsed().as_secs_f64());
                begin = Instant::now();
            }
            Ok(())
        };
        let logits = model.forward_t(&input, true)?;
        let value = loss.forward(&LogitBatch::new(&logits, &labels, W::IGNORED)?)?;
        part(0)?;
        let mut gradients = backward(&value.total)?;
        part(1)?;
        if let Some(norm) = W::CLIP {
            clip_grad_norm(&store.parameters(), &mut gradients, norm)?;
        }
        part(2)?;
        optimizer.step(&gradients, 0.01)?;
        part(3)?;
        Ok(device.synchronize()?)
    })?;
    if settings.parts {
        let [forward, backward, clip, optimizer] = parts.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        eprintln!(
            r#"{{"forward": {forward}, "backward": {backward}, "clip": {clip}, "optimizer": {optimizer}}}"#
        );
    }
    Ok((parameters, times))
}

/// Returns the times of at least 3 passes, and of further ones that start within the limit, in
/// ascending order; one additional pass warms up.
fn times(limit: Duration, mut pass: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    pass()?;
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < 3 || start.elapsed() < limit {
        let begin = Instant::now();
        pass()?;
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Returns the peak memory of this process in KiB, or 0 if the system does not report it in
/// `/proc`.
fn peak_memory() -> Result<u64> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Ok(0) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.and_then(|line| line.split_whitespace().next()).map_or(Ok(0), str::parse)?)
}
