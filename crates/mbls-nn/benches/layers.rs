//! Times layers forward and backward, one JSON line each: `layers [--threads T] [--seconds S] [--precision P] [--cuda]
//! ITEM...`; precision is `f32`, `bf16` or, on a CUDA device, `tf32`.
//!
//! An item is `conv2d/INPUT SHAPE/OUT CHANNELS,KERNEL,STRIDE,PADDING,DILATION,GROUPS`, or `conv1d/..`, which has a bias; with
//! `/first` at its end the input's gradient is not wanted, as in the first layer of a network. `compare.py` calls this in turn
//! with PyTorch.

use candle_core::{DType, Device, Module, Tensor, Var};
use mbls_nn::{Conv, Conv1dConfig, Conv2dConfig, ConvConfig, ConvInit, ParamStore};
use std::error::Error;
use std::time::{Duration, Instant};

/// Keeps the memory of one step for the next: the system's allocator returns large blocks, and part of a step is then the
/// operating system clearing pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let (mut threads, mut seconds, mut items) = (1, 1.0, Vec::new());
    let (mut dtype, mut device) = (DType::F32, Device::Cpu);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--threads" => threads = arguments.next().ok_or("--threads needs a number")?.parse()?,
            "--seconds" => seconds = arguments.next().ok_or("--seconds needs a number")?.parse()?,
            "--precision" => match arguments.next().as_deref() {
                Some("f32") => {}
                Some("bf16") => dtype = DType::BF16,
                #[cfg(feature = "cuda")]
                Some("tf32") => mbls_nn::cuda::allow_tf32(true),
                _ => return Err("--precision needs f32, bf16 or, with the feature `cuda`, tf32".into()),
            },
            "--cuda" => device = Device::new_cuda(0)?,
            // What `cargo bench` adds.
            "--bench" => {}
            _ => items.push(argument),
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    for item in &items {
        let mut step = prepare(item, dtype, &device)?;
        let median = pool.install(|| median(&mut step, Duration::from_secs_f64(seconds)))?;
        println!(r#"{{"item": "{item}", "threads": {threads}, "median": {median}}}"#);
    }
    Ok(())
}

/// The median time of a step, of at least 3 and of those that begin within the limit; one more warms up.
fn median(step: &mut impl FnMut() -> candle_core::Result<()>, limit: Duration) -> candle_core::Result<f64> {
    step()?;
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < 3 || start.elapsed() < limit {
        let begin = Instant::now();
        step()?;
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2] + times[(times.len() - 1) / 2]) / 2.0)
}

fn prepare(item: &str, dtype: DType, device: &Device) -> Result<Box<dyn FnMut() -> candle_core::Result<()> + Send>> {
    let parts: Vec<&str> = item.split('/').collect();
    let &[kind, shape, options, ref rest @ ..] = &parts[..] else {
        return Err(format!("{item}: expected KIND/SHAPE/OPTIONS").into());
    };
    let numbers = |text: &str, by| text.split(by).map(str::parse).collect::<std::result::Result<Vec<usize>, _>>();
    let shape = numbers(shape, 'x')?;
    let &[outputs, kernel, stride, padding, dilation, groups] = &numbers(options, ',')?[..] else {
        return Err(format!("{item}: expected six options").into());
    };
    let x = Tensor::randn(0f32, 1f32, &shape[..], device)?.to_dtype(dtype)?;
    let x = match rest {
        ["first"] => x,
        _ => Var::from_tensor(&x)?.into_inner(),
    };
    let (bias, init) = (kind == "conv1d", ConvInit::TorchUniform);
    let inputs = shape[1];
    Ok(match kind {
        "conv1d" => {
            let config =
                Conv1dConfig { stride: [stride], padding: [padding], dilation: [dilation], groups, bias, init };
            Box::new(step(inputs, outputs, [kernel], config, x)?)
        }
        "conv2d" => {
            let (stride, padding, dilation) = ([stride; 2], [padding; 2], [dilation; 2]);
            let config = Conv2dConfig { stride, padding, dilation, groups, bias, init };
            Box::new(step(inputs, outputs, [kernel; 2], config, x)?)
        }
        _ => return Err(format!("{item}: no such layer").into()),
    })
}

fn step<const D: usize>(
    inputs: usize,
    outputs: usize,
    kernel: [usize; D],
    config: ConvConfig<D>,
    x: Tensor,
) -> Result<impl FnMut() -> candle_core::Result<()> + Send> {
    let store = ParamStore::new(0, x.dtype(), x.device());
    let layer = Conv::new(inputs, outputs, kernel, config, store.var_builder())?;
    Ok(move || {
        let _keep = &store;
        layer.forward(&x)?.backward()?;
        x.device().synchronize()
    })
}
