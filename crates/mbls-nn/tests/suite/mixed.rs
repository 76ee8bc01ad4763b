//! Mixed precision: activations and weights in bf16; batch normalisation's tensors, sums and master
//! weights in f32. On the CPU the portable back end computes it.

use crate::support::{cpu, difference, noise, portable, weighted_sum};
use candle_core::{D, DType, Device, Module, Result, Tensor, Var};
use candle_nn::{ModuleT, VarBuilder, ops::log_softmax};
use mbls_nn::{
    BatchNorm2d, Conv2d, ConvConfig, GlobalAvgPool2d, Linear, MaxPool2d, Optimizer, ParamStore,
    Relu, Sgd, SgdConfig,
};

const BOUND: f64 = 2e-2;

fn network(vb: VarBuilder) -> Result<impl Fn(&Tensor) -> Result<Tensor>> {
    let config = ConvConfig { padding: [1, 1], ..ConvConfig::before_norm() };
    let first = Conv2d::new(3, 8, [3, 3], config, vb.pp("conv1"))?;
    let second = Conv2d::new(8, 8, [3, 3], ConvConfig { bias: true, ..config }, vb.pp("conv2"))?;
    let (bn1, bn2) = (BatchNorm2d::new(8, vb.pp("bn1"))?, BatchNorm2d::new(8, vb.pp("bn2"))?);
    let linear = Linear::new(8, 4, vb.pp("linear"))?;
    Ok(move |x: &Tensor| {
        let x = Relu.forward(&bn1.forward_t(&first.forward(x)?, true)?)?;
        let x = MaxPool2d::new(2, 2, 0).forward(&x)?;
        let y = Relu.forward(&(bn2.forward_t(&second.forward(&x)?, true)? + &x)?)?;
        linear.forward(&GlobalAvgPool2d.forward(&y)?)
    })
}

/// Returns the losses of some steps, and the running variances after them.
fn train(dtype: DType) -> Result<(Vec<f64>, Vec<Tensor>)> {
    let store = ParamStore::new(5, dtype, &Device::Cpu);
    let forward = network(store.var_builder())?;
    let config = SgdConfig { momentum: 0.9, ..Default::default() };
    let mut optimizer = Sgd::new(store.parameters(), config).expect("a configuration");
    let x = noise(&[16, 3, 8, 8], 1)?.to_dtype(dtype)?;
    let labels = Tensor::from_vec((0..16u32).map(|i| i % 4).collect(), (16, 1), &Device::Cpu)?;
    let mut losses = Vec::new();
    for _ in 0..20 {
        let logits = forward(&x)?;
        assert_eq!(logits.dtype(), dtype);
        let loss = log_softmax(&logits.to_dtype(DType::F32)?, D::Minus1)?
            .gather(&labels, 1)?
            .mean_all()?
            .neg()?;
        losses.push(f64::from(loss.to_scalar::<f32>()?));
        optimizer.step(&loss.backward()?, 0.05).expect("a step");
    }
    let variances = store.buffers().into_iter().filter(|(name, _)| name.ends_with("var"));
    Ok((losses, variances.map(|(_, var)| var.as_tensor().clone()).collect()))
}

#[test]
fn a_store_of_half_precision_keeps_batch_normalisation_in_f32() -> Result<()> {
    for dtype in [DType::BF16, DType::F16] {
        let store = ParamStore::new(0, dtype, &Device::Cpu);
        let _network = network(store.var_builder())?;
        for (name, tensor) in store.state() {
            let expected = if name.starts_with("bn") { DType::F32 } else { dtype };
            assert_eq!(tensor.dtype(), expected, "{name}");
        }
    }
    Ok(())
}

#[test]
fn training_in_bf16_follows_that_in_f32() -> Result<()> {
    let ((exact, variances), (found, rounded)) = (train(DType::F32)?, train(DType::BF16)?);
    assert!(exact[19] < 0.8 * exact[0], "{exact:?}");
    for (step, (found, exact)) in found.iter().zip(&exact).enumerate() {
        assert!((found - exact).abs() < BOUND, "step {step}: {found}, in f32 {exact}");
    }
    for (found, exact) in rounded.iter().zip(&variances) {
        assert_eq!(found.dtype(), DType::F32);
        assert!(difference(found, exact)? < BOUND);
    }
    Ok(())
}

#[test]
fn batch_norm_of_bf16_with_f32_parameters() -> Result<()> {
    let parameters = [noise(&[3], 2)?.to_dtype(DType::F32)?, noise(&[3], 3)?.to_dtype(DType::F32)?];
    let (mean, variance) =
        (noise(&[3], 4)?.to_dtype(DType::F32)?, noise(&[3], 5)?.abs()?.to_dtype(DType::F32)?);
    let narrow = noise(&[4, 3, 5, 6], 1)?.to_dtype(DType::BF16)?;
    for train in [true, false] {
        let evaluate = |x: &Tensor, portable: bool| -> Result<Vec<Tensor>> {
            let vars = [x, &parameters[0], &parameters[1]]
                .map(|t| Var::from_tensor(t).expect("a variable"));
            let [x, w, b] = vars.each_ref().map(Var::as_tensor);
            let y = match (train, portable) {
                (true, true) => portable::batch_norm_train(x, w, b, 1e-5)?.output,
                (true, false) => cpu::batch_norm_train(x, w, b, 1e-5)?.output,
                (false, true) => portable::batch_norm(x, w, b, &mean, &variance, 1e-5)?,
                (false, false) => cpu::batch_norm(x, w, b, &mean, &variance, 1e-5)?,
            };
            assert_eq!(y.dtype(), x.dtype());
            let grads = weighted_sum(&y)?.backward()?;
            Ok(std::iter::once(y)
                .chain(vars.iter().map(|v| grads.get(v).expect("a gradient").clone()))
                .collect())
        };
        let (found, exact) =
            (evaluate(&narrow, true)?, evaluate(&narrow.to_dtype(DType::F32)?, false)?);
        let types = [DType::BF16, DType::BF16, DType::F32, DType::F32];
        for ((found, exact), dtype) in found.iter().zip(&exact).zip(types) {
            assert_eq!(found.dtype(), dtype);
            assert!(difference(found, exact)? < BOUND, "train {train}");
        }
    }
    Ok(())
}

#[test]
fn types_that_do_not_fit_are_named() -> Result<()> {
    let t = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &Device::Cpu);
    let (half, single, double) = (DType::BF16, DType::F32, DType::F64);
    let config = ConvConfig::<2>::before_norm();
    let bn = |x, w| -> Result<Tensor> {
        portable::batch_norm(
            &t(&[2, 3, 4], x)?,
            &t(&[3], w)?,
            &t(&[3], w)?,
            &t(&[3], single)?,
            &t(&[3], single)?,
            1e-5,
        )
    };
    let linear = |form: fn(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>| {
        form(&t(&[2, 3], single)?, &t(&[4, 3], double)?, None)
    };
    assert!(bn(half, single).is_ok() && bn(half, half).is_ok());
    let cases = [
        (
            portable::conv(&t(&[1, 2, 4, 4], half)?, &t(&[2, 2, 3, 3], single)?, None, &config),
            "conv2d: weight in F32",
        ),
        (linear(cpu::linear), "linear: weight in F64"),
        (linear(portable::linear), "linear: weight in F64"),
        (bn(half, double), "expected BF16 or F32"),
        (bn(single, half), "batch norm: a tensor per channel in BF16 on Cpu, expected F32 on Cpu"),
    ];
    for (result, part) in cases {
        let message = result.expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
    Ok(())
}
