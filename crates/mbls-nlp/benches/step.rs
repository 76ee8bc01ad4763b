//! Times training steps or inference of a network for texts, by default steps of GlobalPoolingCNN with 128 texts of 1,000 words and vectors of 100
//! numbers: `step [--model NAME] [--batch N] [--length L] [--dim D] [--words frozen|trained] [--mode train|inference] [--threads T] [--seconds S] [--cuda]`.
//!
//! A step looks the word vectors up, then it is forward, MbLS, backward and SGD with momentum (the published texts are trained without clipping);
//! inference is forward alone, without a graph. Names are those of `Architecture`; the original's dropout is in training. Prints one JSON line: the number of parameters,
//! the median and least time, and the most memory that the process has had. `compare.py` calls this in turn with PyTorch.

use candle_core::{DType, Device, Tensor};
use candle_nn::ModuleT;
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_nlp::model::{Architecture, Options, TextClassifier, WordTable};
use mbls_nn::{Dropout, OptimizerConfig, ParamStore, SgdConfig, backward, no_grad};
use std::error::Error;
use std::time::{Duration, Instant};

/// Keeps the memory of one step for the next: the system's allocator returns large blocks, and part of a step is then the
/// operating system clearing pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Classes of 20 Newsgroups, and the words of the published code's table.
const CLASSES: usize = 20;
const WORDS: usize = 2000;

/// What is timed.
struct Work {
    architecture: Architecture,
    batch: usize,
    length: usize,
    dim: usize,
    frozen: bool,
    train: bool,
    device: Device,
}

fn main() -> Result<()> {
    let (mut threads, mut seconds) = (1, 5.0);
    let architecture = Architecture::GlobalPoolingCnn;
    let mut work =
        Work { architecture, batch: 128, length: 1000, dim: 100, frozen: true, train: true, device: Device::Cpu };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--threads" => threads = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--model" => work.architecture = value()?.parse()?,
            "--batch" => work.batch = value()?.parse()?,
            "--length" => work.length = value()?.parse()?,
            "--dim" => work.dim = value()?.parse()?,
            "--words" => work.frozen = choice(&argument, &value()?, ["frozen", "trained"])?,
            "--mode" => work.train = choice(&argument, &value()?, ["train", "inference"])?,
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

/// Whether the value is the first of two.
fn choice(argument: &str, value: &str, [first, second]: [&str; 2]) -> Result<bool> {
    match value {
        _ if value == first => Ok(true),
        _ if value == second => Ok(false),
        _ => Err(format!("{argument} {value}: expected {first} or {second}").into()),
    }
}

/// The number of parameters, and the times of at least 3 passes and of those that begin within the limit, in order; one more warms up.
fn run(work: &Work, limit: Duration) -> Result<(usize, Vec<f64>)> {
    let (batch, length, dim, device) = (work.batch, work.length, work.dim, &work.device);
    let store = ParamStore::new(0, DType::F32, device);
    let words = if work.frozen {
        let vectors = Tensor::randn(0f32, 1f32, (WORDS, dim), device)?;
        let zeros = Tensor::zeros((1, dim), DType::F32, device)?;
        WordTable::frozen(&vectors.slice_scatter(&zeros, 0, 0)?)?
    } else {
        WordTable::trained(WORDS, dim, store.var_builder().pp("embedding"))?
    };
    let network = work.architecture.network(CLASSES, dim);
    let dropout = network.dropout().map(|p| Dropout::new(p, 0)).transpose()?;
    let model = TextClassifier::new(words, network.build(Options { dropout }, store.var_builder())?);
    let parameters = store.parameters().iter().map(|(_, var)| var.elem_count()).sum();
    // A third of a text is padding on average, from none to nearly all.
    let word = |i: usize| {
        if i % length < i / length * 2 * length / (3 * batch) { 0 } else { (i * 7919 % (WORDS - 1) + 1) as u32 }
    };
    let texts = Tensor::from_vec((0..batch * length).map(word).collect(), (batch, length), device)?;
    if !work.train {
        let times = times(limit, || {
            no_grad(|| model.forward_t(&texts, false))?;
            Ok(device.synchronize()?)
        })?;
        return Ok((parameters, times));
    }
    let loss = LossSpec::margin(10.0, 0.1).build()?;
    let sgd = SgdConfig { momentum: 0.9, weight_decay: 5e-4, ..Default::default() };
    let mut optimizer = OptimizerConfig::Sgd(sgd).build(store.parameters())?;
    let labels = Tensor::from_vec((0..batch).map(|i| (i % CLASSES) as u32).collect(), batch, device)?;
    let times = times(limit, || {
        let logits = model.forward_t(&texts, true)?;
        let value = loss.forward(&LogitBatch::new(&logits, &labels, None)?)?;
        optimizer.step(&backward(&value.total)?, 0.01)?;
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
