//! Times training steps of ResNet-20 on batches of 128: `step [--threads T] [--seconds S] [--shortcut identity|projection]`.
//!
//! A step is forward, MbLS, backward, clipping and SGD with momentum. Prints one JSON line: the median and least time of a step, and
//! the most memory that the process has had. `compare.py` calls this in turn with PyTorch.

use candle_core::{DType, Device, Tensor};
use candle_nn::ModuleT;
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_nn::{OptimizerConfig, ParamStore, SgdConfig, clip_grad_norm};
use mbls_vision::model::{CifarResNet, CifarResNetConfig, Shortcut};
use std::error::Error;
use std::time::{Duration, Instant};

/// Keeps the memory of one step for the next: the system's allocator returns large blocks, and part of a step is then the
/// operating system clearing pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BATCH: usize = 128;

fn main() -> Result<()> {
    let (mut threads, mut seconds, mut shortcut) = (1, 5.0, Shortcut::Projection);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--threads" => threads = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--shortcut" => {
                shortcut = match value()?.as_str() {
                    "identity" => Shortcut::Identity,
                    "projection" => Shortcut::Projection,
                    other => return Err(format!("--shortcut {other}: expected identity or projection").into()),
                }
            }
            // What `cargo bench` adds.
            "--bench" => {}
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let times = pool.install(|| run(shortcut, Duration::from_secs_f64(seconds)).map_err(|error| error.to_string()))?;
    let middle = (times[times.len() / 2] + times[(times.len() - 1) / 2]) / 2.0;
    let (least, memory) = (times[0], peak_memory()?);
    println!(r#"{{"threads": {threads}, "median": {middle}, "least": {least}, "memory": {memory}}}"#);
    Ok(())
}

/// The times of at least 3 steps and of those that begin within the limit, in order; one more warms up.
fn run(shortcut: Shortcut, limit: Duration) -> Result<Vec<f64>> {
    let store = ParamStore::new(0, DType::F32, &Device::Cpu);
    let config = CifarResNetConfig { shortcut, ..CifarResNetConfig::resnet20(10) };
    let model = CifarResNet::new(config, store.var_builder())?;
    let loss = LossSpec::margin(6.0, 0.1).build()?;
    let sgd = SgdConfig { momentum: 0.9, weight_decay: 5e-4, ..Default::default() };
    let mut optimizer = OptimizerConfig::Sgd(sgd).build(store.parameters())?;
    let images = Tensor::randn(0f32, 1f32, (BATCH, 3, 32, 32), &Device::Cpu)?;
    let labels = Tensor::from_vec((0..BATCH as u32).map(|i| i % 10).collect(), BATCH, &Device::Cpu)?;
    let mut step = || -> Result<()> {
        let logits = model.forward_t(&images, true)?;
        let value = loss.forward(&LogitBatch::new(&logits, &labels, None)?)?;
        let mut gradients = value.total.backward()?;
        clip_grad_norm(&store.parameters(), &mut gradients, 2.0)?;
        Ok(optimizer.step(&gradients, 0.01)?)
    };
    step()?;
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < 3 || start.elapsed() < limit {
        let begin = Instant::now();
        step()?;
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
