//! Times training steps or inference of a segmentation network, by default steps of DeepLabV3 on ResNet-50 with 2 pictures of 256 x 256:
//! `step [--model NAME] [--batch N] [--size S] [--mode train|inference] [--threads T] [--seconds S] [--precision P] [--cuda]`; precision is
//! `f32`, `bf16` or, on a CUDA device, `tf32`.
//!
//! A step is forward with dropout, MbLS over all pixels but the unlabelled, backward, clipping and SGD with momentum; inference is forward alone,
//! by running statistics and without a graph. Names are those of `Architecture`. Prints one JSON line: the number of parameters, the median
//! and least time, and the most memory that the process has had. `compare.py` calls this in turn with PyTorch.

use candle_core::{DType, Device, Tensor};
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_nn::{Dropout, OptimizerConfig, ParamStore, SgdConfig, backward, clip_grad_norm, no_grad};
use mbls_seg::model::{Architecture, Options};
use std::error::Error;
use std::time::{Duration, Instant};

/// Keeps the memory of one step for the next: the system's allocator returns large blocks, and part of a step is then the
/// operating system clearing pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Classes of Pascal VOC, and what it writes where there is no label.
const CLASSES: usize = 21;
const UNLABELLED: u32 = 255;

/// What is timed.
struct Work {
    architecture: Architecture,
    batch: usize,
    size: usize,
    train: bool,
    dtype: DType,
    device: Device,
}

fn main() -> Result<()> {
    let (mut threads, mut seconds) = (1, 5.0);
    let architecture = "deeplabv3-r50-torchvision".parse()?;
    let (dtype, device) = (DType::F32, Device::Cpu);
    let mut work = Work { architecture, batch: 2, size: 256, train: true, dtype, device };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--threads" => threads = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--model" => work.architecture = value()?.parse()?,
            "--batch" => work.batch = value()?.parse()?,
            "--size" => work.size = value()?.parse()?,
            "--mode" => {
                work.train = match value()?.as_str() {
                    "train" => true,
                    "inference" => false,
                    other => return Err(format!("--mode {other}: expected train or inference").into()),
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

/// The number of parameters, and the times of at least 3 passes and of those that begin within the limit, in order; one more warms up.
fn run(work: &Work, limit: Duration) -> Result<(usize, Vec<f64>)> {
    let (batch, size, device) = (work.batch, work.size, &work.device);
    let store = ParamStore::new(0, work.dtype, device);
    let network = work.architecture.network(CLASSES, 3)?;
    let dropout = network.dropout().map(|p| Dropout::new(p, 0)).transpose()?;
    let model = network.build(Options { dropout }, store.var_builder())?;
    let parameters = store.parameters().iter().map(|(_, var)| var.elem_count()).sum();
    let images = Tensor::randn(0f32, 1f32, (batch, 3, size, size), device)?.to_dtype(work.dtype)?;
    if !work.train {
        let times = times(limit, || {
            no_grad(|| model.forward_t(&images, false))?;
            Ok(device.synchronize()?)
        })?;
        return Ok((parameters, times));
    }
    let loss = LossSpec::margin(10.0, 0.1).build()?;
    let sgd = SgdConfig { momentum: 0.9, weight_decay: 5e-4, ..Default::default() };
    let mut optimizer = OptimizerConfig::Sgd(sgd).build(store.parameters())?;
    // One pixel in 22 has no label.
    let label = |i: usize| if i % (CLASSES + 1) == CLASSES { UNLABELLED } else { (i % (CLASSES + 1)) as u32 };
    let labels = Tensor::from_vec((0..batch * size * size).map(label).collect(), (batch, size, size), device)?;
    let times = times(limit, || {
        let logits = model.forward_t(&images, true)?;
        let value = loss.forward(&LogitBatch::new(&logits, &labels, Some(UNLABELLED.into()))?)?;
        let mut gradients = backward(&value.total)?;
        clip_grad_norm(&store.parameters(), &mut gradients, 2.0)?;
        optimizer.step(&gradients, 0.01)?;
        Ok(device.synchronize()?)
    })?;
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
