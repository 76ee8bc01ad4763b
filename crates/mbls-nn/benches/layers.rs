//! Times layers forward and backward, and optimizer steps, one JSON line each:
//! `layers [--threads T] [--seconds S] [--precision P] [--cuda] ITEM...`. The precision is `f32`,
//! `bf16` or, on a CUDA device, `tf32`.
//!
//! An item is `KIND/INPUT SHAPE/OPTIONS`:
//!
//! - `conv2d/../OUT CHANNELS,KERNEL,STRIDE,PADDING,DILATION,GROUPS`, or `conv1d/..`, which has a
//!   bias; with `/first` at its end the gradient of the input is not computed, as in the first
//!   layer of a network;
//! - `batch_norm/..` (training), the same with an epilogue as `batch_norm_relu/..` and
//!   `batch_norm_add_relu/..`, `relu/..`, `add/..` (of a second input of the same shape);
//! - `max_pool/../KERNEL,STRIDE,PADDING`, `global_avg_pool/..`, `global_max_pool/..` (of one axis),
//!   `bilinear/../HEIGHT,WIDTH`;
//! - `linear/../OUT FEATURES`;
//! - `sgd/SHAPE+SHAPE+..` (momentum 0.9, Nesterov, weight decay), `adam/..`, `adamw/..` (both with
//!   PyTorch's defaults): a step of parameters of these shapes; `clip/..`: clipping of their
//!   gradients, whose norm is too large;
//! - `peak/N`: a product of NxN matrices on each thread, which measures the machine's limit.
//!
//! `compare.py` runs this and PyTorch alternately.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Module, Tensor, Var};
use candle_nn::ModuleT;
use mbls_nn::{
    AdaptiveMaxPool1d, BatchNorm2d, Bilinear2d, Conv, ConvConfig, ConvInit, GlobalAvgPool2d,
    Linear, MaxPool1d, MaxPool2d, OptimizerConfig, ParamStore, Relu, SgdConfig, clip_grad_norm,
};
use std::error::Error;
use std::time::{Duration, Instant};

/// Keeps the memory of one step for the next. The system's allocator returns large blocks, so part
/// of a step would be the operating system clearing pages.
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
                Some("tf32") => mbls_nn::allow_tf32(true),
                _ => {
                    return Err(
                        "--precision needs f32, bf16 or, with the feature `cuda`, tf32".into()
                    );
                }
            },
            "--cuda" => {
                device = Device::new_cuda(0)?;
                #[cfg(feature = "cuda")]
                {
                    mbls_nn::keep_memory(&device, u64::MAX)?;
                    // SAFETY: nothing here opens a second stream.
                    unsafe { mbls_nn::without_events(&device)? };
                }
            }
            // Added by `cargo bench`.
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

/// Returns the median time of a step, over at least 3 steps and all that begin within the limit;
/// one additional step warms up.
fn median(
    step: &mut impl FnMut() -> candle_core::Result<()>,
    limit: Duration,
) -> candle_core::Result<f64> {
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

type Step = Box<dyn FnMut() -> candle_core::Result<()> + Send>;

fn prepare(item: &str, dtype: DType, device: &Device) -> Result<Step> {
    if let Some(("sgd" | "adam" | "adamw" | "clip", _)) = item.split_once('/') {
        return prepare_parameters(item, dtype, device);
    }
    let mut parts = item.split('/');
    let kind = parts.next().unwrap_or_default();
    let mut numbers = |by| -> Result<Vec<usize>> {
        Ok(parts.next().map_or(Ok(Vec::new()), |text| text.split(by).map(str::parse).collect())?)
    };
    let (shape, options) = (numbers('x')?, numbers(',')?);
    let variable =
        || Var::from_tensor(&Tensor::randn(0f32, 1f32, &shape[..], device)?.to_dtype(dtype)?);
    let x = match parts.next() {
        Some("first") => variable()?.as_detached_tensor(),
        _ => variable()?.into_inner(),
    };
    let store = ParamStore::new(0, dtype, device);
    let vb = store.var_builder();
    let channels = shape.get(1).copied().unwrap_or_default();
    Ok(match (kind, &options[..]) {
        ("conv1d", &[outputs, kernel, stride, padding, dilation, groups]) => {
            let (bias, init) = (true, ConvInit::TorchUniform);
            let config = ConvConfig {
                stride: [stride],
                padding: [padding],
                dilation: [dilation],
                groups,
                bias,
                init,
            };
            layer(Conv::new(channels, outputs, [kernel], config, vb)?, x)
        }
        ("conv2d", &[outputs, kernel, stride, padding, dilation, groups]) => {
            let (stride, padding, dilation) = ([stride; 2], [padding; 2], [dilation; 2]);
            let config = ConvConfig {
                stride,
                padding,
                dilation,
                groups,
                bias: false,
                init: ConvInit::TorchUniform,
            };
            layer(Conv::new(channels, outputs, [kernel; 2], config, vb)?, x)
        }
        ("batch_norm", []) => {
            let norm = BatchNorm2d::new(channels, vb)?;
            step(move || norm.forward_t(&x, true))
        }
        ("batch_norm_relu", []) => {
            let norm = BatchNorm2d::new(channels, vb)?;
            step(move || norm.forward_relu(&x, None, true))
        }
        ("batch_norm_add_relu", []) => {
            let (norm, other) = (BatchNorm2d::new(channels, vb)?, variable()?);
            step(move || norm.forward_relu(&x, Some(&other), true))
        }
        ("relu", []) => layer(Relu, x),
        ("add", []) => {
            let other = variable()?;
            step(move || &x + other.as_tensor())
        }
        ("max_pool", &[kernel, stride, padding]) if shape.len() == 3 => {
            layer(MaxPool1d::new(kernel, stride, padding), x)
        }
        ("max_pool", &[kernel, stride, padding]) => {
            layer(MaxPool2d::new(kernel, stride, padding), x)
        }
        ("global_avg_pool", []) => layer(GlobalAvgPool2d, x),
        ("global_max_pool", []) => layer(AdaptiveMaxPool1d { output: [1] }, x),
        ("bilinear", &[height, width]) => {
            layer(Bilinear2d { output: [height, width], align_corners: false }, x)
        }
        ("linear", &[outputs]) => layer(Linear::new(channels, outputs, vb)?, x),
        ("peak", []) => {
            let n = shape[0];
            let matrix = Tensor::randn(0f32, 1f32, (n, n), device)?.to_dtype(dtype)?;
            Box::new(move || {
                let products = rayon::broadcast(|_| matrix.matmul(&matrix));
                products.into_iter().try_for_each(|product| product.map(|_| ()))
            })
        }
        _ => return Err(format!("{item}: no such layer").into()),
    })
}

fn prepare_parameters(item: &str, dtype: DType, device: &Device) -> Result<Step> {
    let (kind, shapes) = item.split_once('/').unwrap_or_default();
    let (mut parameters, mut grads) = (Vec::new(), GradStore::default());
    for shape in shapes.split('+') {
        let shape: Vec<usize> =
            shape.split('x').map(str::parse).collect::<std::result::Result<_, _>>()?;
        let random = || Tensor::randn(0f32, 1f32, &shape[..], device)?.to_dtype(dtype);
        let var = Var::from_tensor(&random()?)?;
        grads.insert(&var, random()?);
        parameters.push((parameters.len().to_string(), var));
    }
    let (device, wrap) = (device.clone(), |error: mbls_nn::Error| candle_core::Error::wrap(error));
    let config = match kind {
        "sgd" => {
            let (momentum, weight_decay, nesterov) = (0.9, 5e-4, true);
            OptimizerConfig::Sgd(SgdConfig {
                momentum,
                weight_decay,
                nesterov,
                ..Default::default()
            })
        }
        "adam" => OptimizerConfig::Adam(Default::default()),
        "adamw" => OptimizerConfig::AdamW(Default::default()),
        _ => {
            let given: Vec<Option<Tensor>> =
                parameters.iter().map(|(_, var)| grads.get(var).cloned()).collect();
            return Ok(Box::new(move || {
                // Clipped gradients would not be clipped again, so restore them.
                for ((_, var), grad) in parameters.iter().zip(&given) {
                    grad.as_ref().map(|grad| grads.insert(var, grad.clone()));
                }
                clip_grad_norm(&parameters, &mut grads, 1.0).map_err(wrap)?;
                device.synchronize()
            }));
        }
    };
    let mut optimizer = config.build(parameters)?;
    Ok(Box::new(move || {
        optimizer.step(&grads, 1e-6).map_err(wrap)?;
        device.synchronize()
    }))
}

fn layer(layer: impl Module + Send + 'static, x: Tensor) -> Step {
    step(move || layer.forward(&x))
}

/// Returns a step that runs forward and backward.
fn step(forward: impl Fn() -> candle_core::Result<Tensor> + Send + 'static) -> Step {
    Box::new(move || {
        let y = forward()?;
        y.backward()?;
        y.device().synchronize()
    })
}
