//! Times training steps or inference of a network, by default steps of ResNet-20 on batches of 128:
//! `step [--model NAME] [--batch N] [--mode train|inference] [--threads T] [--seconds S] [--shortcut identity|projection] [--precision P]
//! [--cuda] [--parts]`; precision is `f32`, `bf16` or, on a CUDA device, `tf32`.
//!
//! A step is forward, MbLS, backward, clipping and SGD with momentum; inference is forward alone, by running statistics and without a
//! graph. Names are those of `Architecture`; the shortcut is that of He's networks for CIFAR. Prints one JSON line: the number of
//! parameters, the median and least time, and the most memory that the process has had. With `--parts` a line to standard error has the medians of
//! the parts of a training step, each waited for. `compare.py` calls this in turn with PyTorch.

use candle_core::{DType, Device, Tensor};
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_nn::{OptimizerConfig, ParamStore, SgdConfig, backward, clip_grad_norm, no_grad};
use mbls_vision::model::{Architecture, Network, Options, Shortcut};
use std::error::Error;
use std::time::{Duration, Instant};

/// Keeps the memory of one step for the next: the system's allocator returns large blocks, and part of a step is then the
/// operating system clearing pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is timed.
struct Work {
    architecture: Architecture,
    shortcut: Shortcut,
    batch: usize,
    train: bool,
    dtype: DType,
    device: Device,
    parts: bool,
}

fn main() -> Result<()> {
    let (mut threads, mut seconds) = (1, 5.0);
    let architecture = "resnet20".parse()?;
    let (shortcut, dtype, device) = (Shortcut::Projection, DType::F32, Device::Cpu);
    let mut work = Work { architecture, shortcut, batch: 128, train: true, dtype, device, parts: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--threads" => threads = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--model" => work.architecture = value()?.parse()?,
            "--batch" => work.batch = value()?.parse()?,
            "--mode" => {
                work.train = match value()?.as_str() {
                    "train" => true,
                    "inference" => false,
                    other => return Err(format!("--mode {other}: expected train or inference").into()),
                }
            }
            "--shortcut" => {
                work.shortcut = match value()?.as_str() {
                    "identity" => Shortcut::Identity,
                    "projection" => Shortcut::Projection,
                    other => return Err(format!("--shortcut {other}: expected identity or projection").into()),
                }
            }
            "--precision" => match value()?.as_str() {
                "f32" => {}
                "bf16" => work.dtype = DType::BF16,
                #[cfg(feature = "cuda")]
                "tf32" => mbls_nn::allow_tf32(true),
                other => {
                    return Err(
                        format!("--precision {other}: expected f32, bf16 or, with the feature cuda, tf32").into()
                    );
                }
            },
            "--cuda" => {
                work.device = Device::new_cuda(0)?;
                #[cfg(feature = "cuda")]
                {
                    mbls_nn::keep_memory(&work.device, u64::MAX)?;
                    // SAFETY: nothing here opens a second stream.
                    unsafe { mbls_nn::without_events(&work.device)? };
                }
            }
            "--parts" => work.parts = true,
            // What `cargo bench` adds.
            "--bench" => {}
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let limit = Duration::from_secs_f64(seconds);
    let (parameters, times) = pool.install(|| run(&work, limit).map_err(|error| error.to_string()))?;
    let middle = (times[times.len() / 2] + times[(times.len() - 1) / 2]) / 2.0;
    let (least, memory) = (times[0], peak_memory()?);
    println!(
        r#"{{"threads": {threads}, "parameters": {parameters}, "median": {middle}, "least": {least}, "memory": {memory}}}"#
    );
    Ok(())
}

impl Work {
    /// Classes and shape of the pictures that the network is for.
    fn data(&self) -> (usize, [usize; 3]) {
        match self.architecture.origin() {
            "torchvision" => (1000, [3, 224, 224]),
            _ if self.architecture.name().ends_with("-tiny") => (200, [3, 64, 64]),
            _ => (10, [3, 32, 32]),
        }
    }

    fn network(&self) -> Result<Network> {
        let (classes, shape) = self.data();
        let mut network = self.architecture.network(classes, shape)?;
        if let Network::ResNet(config) = &mut network
            && config.shortcut == Shortcut::Identity
        {
            config.shortcut = self.shortcut;
        }
        Ok(network)
    }
}

/// The number of parameters, and the times of at least 3 passes and of those that begin within the limit, in order; one more warms up.
fn run(work: &Work, limit: Duration) -> Result<(usize, Vec<f64>)> {
    let (dtype, device) = (work.dtype, &work.device);
    let store = ParamStore::new(0, dtype, device);
    let model = work.network()?.build(Options::default(), store.var_builder())?;
    let parameters = store.parameters().iter().map(|(_, var)| var.elem_count()).sum();
    let (classes, [channels, height, width]) = work.data();
    let images = Tensor::randn(0f32, 1f32, (work.batch, channels, height, width), device)?.to_dtype(dtype)?;
    if !work.train {
        let times = times(limit, || {
            no_grad(|| model.forward_t(&images, false))?;
            Ok(device.synchronize()?)
        })?;
        return Ok((parameters, times));
    }
    let loss = LossSpec::margin(6.0, 0.1).build()?;
    let sgd = SgdConfig { momentum: 0.9, weight_decay: 5e-4, ..Default::default() };
    let mut optimizer = OptimizerConfig::Sgd(sgd).build(store.parameters())?;
    let labels = (0..work.batch).map(|i| (i % classes) as u32).collect();
    let labels = Tensor::from_vec(labels, work.batch, device)?;
    let mut parts: [Vec<f64>; 4] = Default::default();
    let times = times(limit, || {
        let mut begin = Instant::now();
        let mut part = |i: usize| -> Result<()> {
            if work.parts {
                device.synchronize()?;
                parts[i].push(begin.elapsed().as_secs_f64());
                begin = Instant::now();
            }
            Ok(())
        };
        let logits = model.forward_t(&images, true)?;
        let value = loss.forward(&LogitBatch::new(&logits, &labels, None)?)?;
        part(0)?;
        let mut gradients = backward(&value.total)?;
        part(1)?;
        clip_grad_norm(&store.parameters(), &mut gradients, 2.0)?;
        part(2)?;
        optimizer.step(&gradients, 0.01)?;
        part(3)?;
        Ok(device.synchronize()?)
    })?;
    if work.parts {
        let [forward, backward, clip, optimizer] = parts.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        eprintln!(r#"{{"forward": {forward}, "backward": {backward}, "clip": {clip}, "optimizer": {optimizer}}}"#);
    }
    Ok((parameters, times))
}

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

/// The most memory that this process has had, in KiB; 0 where the system does not say so in `/proc`.
fn peak_memory() -> Result<u64> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Ok(0) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.and_then(|line| line.split_whitespace().next()).map_or(Ok(0), str::parse)?)
}
