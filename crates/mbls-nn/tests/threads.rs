//! The bits of results and gradients do not depend on the number of threads.

mod common;

use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::ModuleT;
use common::{bits, noise, weighted_sum};
use mbls_nn::{
    AvgPool2d, BatchNorm2d, Conv2d, Conv2dConfig, GlobalAvgPool2d, Linear, MaxPool2d, Optimizer, ParamStore, Relu, Sgd,
    SgdConfig, clip_grad_norm,
};

/// Everything a training step computes, as bits.
fn step(dtype: DType) -> Result<Vec<u64>> {
    let store = ParamStore::new(5, dtype, &Device::Cpu);
    let vb = store.var_builder();
    let wide = Conv2dConfig { padding: [1, 1], bias: true, ..Default::default() };
    let strided = Conv2dConfig { stride: [2, 2], padding: [1, 1], groups: 2, ..Default::default() };
    let first = Conv2d::new(3, 16, [3, 3], wide, vb.pp("first"))?;
    let bn = BatchNorm2d::new(16, vb.pp("bn"))?;
    let second = Conv2d::new(16, 32, [3, 3], strided, vb.pp("second"))?;
    let third = Conv2d::new(32, 24, [1, 1], Conv2dConfig::default(), vb.pp("third"))?;
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

#[test]
fn a_training_step_is_bit_identical_for_1_2_and_4_threads() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let run = |threads| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(candle_core::Error::wrap)?;
            pool.install(|| step(dtype))
        };
        let one = run(1)?;
        assert!(one.len() > 10_000);
        for threads in [2, 4, 2] {
            assert!(run(threads)? == one, "{dtype:?} on {threads} threads");
        }
    }
    Ok(())
}
