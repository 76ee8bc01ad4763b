//! Results and gradients are bit-identical for any number of threads.

use crate::support::{bits, noise, weighted_sum};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Module, Result, Tensor, Var};
use candle_nn::ModuleT;
use mbls_nn::{
    AdamConfig, AdamWConfig, AvgPool2d, BatchNorm2d, Conv2d, ConvConfig, Ema, EmaConfig,
    GlobalAvgPool2d, Linear, MaxPool2d, Optimizer, OptimizerConfig, ParamStore, Relu, Sgd,
    SgdConfig, clip_grad_norm,
};

/// Returns everything that a training step computes, as bits.
fn step(dtype: DType) -> Result<Vec<u64>> {
    let store = ParamStore::new(5, dtype, &Device::Cpu);
    let vb = store.var_builder();
    let wide = ConvConfig { padding: [1, 1], bias: true, ..ConvConfig::before_norm() };
    let strided =
        ConvConfig { stride: [2, 2], padding: [1, 1], groups: 2, ..ConvConfig::before_norm() };
    let first = Conv2d::new(3, 16, [3, 3], wide, vb.pp("first"))?;
    let bn = BatchNorm2d::new(16, vb.pp("bn"))?;
    let second = Conv2d::new(16, 32, [3, 3], strided, vb.pp("second"))?;
    let third = Conv2d::new(32, 24, [1, 1], ConvConfig::<2>::before_norm(), vb.pp("third"))?;
    let fourth = Conv2d::new(24, 24, [3, 3], wide, vb.pp("fourth"))?;
    let linear = Linear::new(24, 10, vb.pp("linear"))?;
    let x = noise(&[70, 3, 19, 18], 1)?.to_dtype(dtype)?;
    let y = Relu.forward(&bn.forward_t(&first.forward(&x)?, true)?)?;
    let y = bn.forward_relu(&y, Some(&y), true)?;
    let y = MaxPool2d::new(3, 1, 1).forward(&y)?;
    let y = third.forward(&second.forward(&y)?)?;
    let y = AvgPool2d::new(2, 1, 0).forward(&fourth.forward(&y)?)?;
    let logits = linear.forward(&GlobalAvgPool2d.forward(&y)?)?;
    let mut grads = weighted_sum(&logits)?.backward()?;
    let parameters = store.parameters();
    let norm = clip_grad_norm(&parameters, &mut grads, 0.5).map_err(candle_core::Error::wrap)?;
    let config = SgdConfig { momentum: 0.9, weight_decay: 1e-4, ..Default::default() };
    let mut sgd = Sgd::new(parameters.clone(), config).map_err(candle_core::Error::wrap)?;
    sgd.step(&grads, 0.1).map_err(candle_core::Error::wrap)?;
    let mut all = bits(&logits)?;
    all.push(norm.to_bits());
    let grads = parameters.iter().filter_map(|(_, var)| grads.get(var).cloned());
    let tensors: Vec<Tensor> = grads.chain(store.state().into_values()).collect();
    for tensor in tensors {
        all.extend(bits(&tensor)?);
    }
    Ok(all)
}

/// Runs a function on a pool with this number of threads.
fn on<R: Send>(threads: usize, run: impl FnOnce() -> Result<R> + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(candle_core::Error::wrap)?;
    pool.install(run)
}

#[test]
fn a_training_step_is_bit_identical_for_1_2_and_4_threads() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let one = on(1, || step(dtype))?;
        assert!(one.len() > 10_000);
        for threads in [2, 4, 2] {
            assert!(on(threads, || step(dtype))? == one, "{dtype:?} on {threads} threads");
        }
    }
    Ok(())
}

/// Returns the entries `from` to `to` of a parameter, of its average and of its optimizer state
/// after three steps, as bits, by name. The parameter consists of the entries `part` of one that is
/// divided among threads.
fn updates(
    config: &OptimizerConfig,
    dtype: DType,
    part: [usize; 2],
    [from, to]: [usize; 2],
) -> Result<Vec<Vec<u64>>> {
    const LONG: usize = 200_003;
    let take = |salt| noise(&[LONG], salt)?.narrow(0, part[0], part[1] - part[0])?.to_dtype(dtype);
    let var = Var::from_tensor(&take(1)?)?;
    let parameters = vec![("p".to_owned(), var.clone())];
    let mut optimizer = config.build(parameters.clone()).map_err(candle_core::Error::wrap)?;
    let mut ema =
        Ema::of(parameters, vec![], EmaConfig::default()).map_err(candle_core::Error::wrap)?;
    for salt in 2..5 {
        let mut grads = GradStore::default();
        grads.insert(&var, take(salt)?);
        optimizer.step(&grads, 0.1).map_err(candle_core::Error::wrap)?;
        ema.update().map_err(candle_core::Error::wrap)?;
    }
    let state = optimizer.state().into_values().filter(|t| t.elem_count() == part[1] - part[0]);
    let all = [var.as_detached_tensor(), ema.averages()["p"].clone()].into_iter().chain(state);
    all.map(|t| bits(&t.narrow(0, from - part[0], to - from)?)).collect()
}

#[test]
fn updates_of_long_parameters_are_bit_identical_for_1_2_and_5_threads() -> Result<()> {
    let sgd = SgdConfig { momentum: 0.9, dampening: 0.1, weight_decay: 1e-3, ..Default::default() };
    for (config, states) in [
        (OptimizerConfig::Sgd(SgdConfig::default()), 0),
        (OptimizerConfig::Sgd(sgd), 1),
        (OptimizerConfig::Sgd(SgdConfig { dampening: 0.0, nesterov: true, ..sgd }), 1),
        (OptimizerConfig::Adam(AdamConfig { weight_decay: 1e-3, ..Default::default() }), 2),
        (OptimizerConfig::AdamW(AdamWConfig::default()), 2),
    ] {
        for dtype in [DType::F32, DType::F64] {
            let whole = [0, 200_003];
            let one = on(1, || updates(&config, dtype, whole, whole))?;
            assert_eq!(one.len(), 2 + states, "{config:?}");
            for threads in [2, 5, 2] {
                assert!(
                    on(threads, || updates(&config, dtype, whole, whole))? == one,
                    "{config:?} {dtype:?} {threads}"
                );
            }
            // Every entry equals that of a short parameter, which one thread updates at once, also
            // where the long one is divided.
            for start in [0, 32_000, 65_000, 199_003] {
                let part = [start, start + 1000];
                let short = updates(&config, dtype, part, part)?;
                for (short, long) in short.iter().zip(&one) {
                    assert!(
                        *short == long[start..start + 1000],
                        "{config:?} {dtype:?} from {start}"
                    );
                }
            }
        }
    }
    Ok(())
}
