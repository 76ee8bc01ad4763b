//! `mbls_nn::backward` compared with candle's backward pass: the same gradients, however a variable
//! is read.

use crate::support::{bits, cpu, difference, noise, weighted_sum};
use candle_core::backprop::GradStore;
use candle_core::{
    CpuStorage, CustomOp1, DType, Device, Layout, Module, Result, Shape, Tensor, Var, bail,
};
use mbls_nn::{BatchNorm2d, ConvConfig, GlobalAvgPool2d, Linear, ParamStore, backward};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn var(shape: &[usize], salt: u64) -> Result<Var> {
    Var::from_tensor(&noise(shape, salt)?)
}

/// Returns the bits of the gradients of these variables, by candle's pass and by ours.
fn both(loss: &Tensor, variables: &[&Var]) -> Result<[Vec<Option<Vec<u64>>>; 2]> {
    let read = |grads: &GradStore| {
        let one = |var: &&Var| grads.get(var).map(bits).transpose();
        variables.iter().map(one).collect::<Result<Vec<_>>>()
    };
    // Ours between two of candle's, so that anything left by one would show in the next.
    let before = read(&loss.backward()?)?;
    let ours = read(&backward(loss)?)?;
    assert_eq!(read(&loss.backward()?)?, before, "candle's pass after ours");
    Ok([before, ours])
}

#[test]
fn a_network_has_the_gradients_of_candles_pass_to_the_bit() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let store = ParamStore::new(3, dtype, &Device::Cpu);
        let vb = store.var_builder();
        let config = ConvConfig { padding: [1, 1], bias: true, ..ConvConfig::before_norm() };
        let first = mbls_nn::Conv2d::new(3, 6, [3, 3], config, vb.pp("first"))?;
        let second = mbls_nn::Conv2d::new(6, 6, [3, 3], config, vb.pp("second"))?;
        let norms = [BatchNorm2d::new(6, vb.pp("bn1"))?, BatchNorm2d::new(6, vb.pp("bn2"))?];
        let head = Linear::new(6, 4, vb.pp("head"))?;
        // The input needs no gradient, so only the first layer's variables do.
        let x = noise(&[5, 3, 8, 8], 1)?.to_dtype(dtype)?;
        let y = norms[0].forward_relu(&first.forward(&x)?, None, true)?;
        let y = norms[1].forward_relu(&second.forward(&y)?, Some(&y), true)?;
        let loss = weighted_sum(&head.forward(&GlobalAvgPool2d.forward(&y)?)?)?;
        let parameters = store.parameters();
        assert_eq!(parameters.len(), 10);
        let variables: Vec<&Var> = parameters.iter().map(|(_, var)| var).collect();
        let [candle, ours] = both(&loss, &variables)?;
        for (((name, _), candle), ours) in parameters.iter().zip(candle).zip(ours) {
            assert!(ours.is_some() && ours == candle, "{name} in {dtype:?}");
        }
    }
    Ok(())
}

#[test]
fn what_comes_from_several_readers_is_added() -> Result<()> {
    let (x, w) = (noise(&[4, 3], 1)?, var(&[3, 3], 2)?);
    let other = var(&[3, 3], 3)?;
    let once = cpu::linear(&x, &w, None)?;
    let twice = cpu::linear(&once, &w, None)?;
    let three = cpu::linear(&twice, &w, None)?;
    let by_candle = (twice.matmul(&w)? + w.sqr()?.sum_all()?.broadcast_as((4, 3))?)?;
    let view = cpu::linear(&x, &(w.t()? * 2.0)?, None)?;
    let same = cpu::linear(&w, &w, None)?;
    let sums = [&once, &twice, &three, &by_candle, &view, &same].map(weighted_sum);
    let [once, twice, three, by_candle, view, same] = sums;
    let losses = [once?, twice?, three?, by_candle?, view?, same?];
    let all = losses.iter().cloned().reduce(|a, b| (a + b).expect("two scalars")).expect("losses");
    for (i, loss) in losses.iter().chain([&all]).enumerate() {
        let (candle, ours) = (loss.backward()?, backward(loss)?);
        let [candle, found] =
            [&candle, &ours].map(|grads| grads.get(&w).expect("a gradient").clone());
        let gap = difference(&found, &candle)?;
        assert!(gap < 1e-14, "loss {i}: {gap}");
        assert!(ours.get(&other).is_none() && !found.track_op(), "loss {i}");
    }
    Ok(())
}

#[test]
fn a_gradient_that_is_a_view_comes_whole() -> Result<()> {
    // ReLU's input is the variable itself, and the gradient of its result is a broadcast number.
    let x = var(&[2, 3], 1)?;
    let loss = cpu::relu(&x)?.sum_all()?;
    let [candle, ours] = both(&loss, &[&x])?;
    assert_eq!(candle, ours);
    let grads = backward(&loss)?;
    assert!(grads.get(&x).expect("a gradient").is_contiguous());
    // Four inputs: the gradients of the last two are returned through a pair.
    let (r, w, b) = (var(&[2, 3, 2, 2], 2)?, var(&[3], 3)?, var(&[3], 4)?);
    let x = noise(&[2, 3, 2, 2], 5)?;
    let y = cpu::batch_norm_relu_train(&x, Some(&r), &w, &b, 1e-5)?.output;
    let [candle, ours] = both(&weighted_sum(&y)?, &[&r, &w, &b])?;
    assert!(ours.iter().all(Option::is_some) && candle == ours);
    Ok(())
}

#[test]
fn losses_without_operations_of_ours() -> Result<()> {
    let x = var(&[3], 1)?;
    let [candle, ours] = both(&x.sqr()?.sum_all()?, &[&x])?;
    assert_eq!(candle, ours);
    let grads = backward(&x)?;
    assert_eq!(grads.get(&x).expect("of itself").to_vec1::<f64>()?, [1.0; 3]);
    let constant = cpu::relu(&noise(&[3], 1)?)?;
    assert!(backward(&constant)?.get(&x).is_none());
    Ok(())
}

/// The identity, whose backward pass is a given function.
struct WithBackward<F>(F);

impl<F: Fn(&Tensor) -> Result<Tensor>> CustomOp1 for WithBackward<F> {
    fn name(&self) -> &'static str {
        "with-backward"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((x.clone(), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        (self.0)(grad).map(Some)
    }
}

#[test]
fn a_pass_within_a_pass_has_its_own_gradients() -> Result<()> {
    let (x, w) = (noise(&[2, 3], 1)?, var(&[3, 3], 2)?);
    for inner in [Tensor::backward, backward] {
        let passes = Arc::new(AtomicUsize::new(0));
        let (x_within, w_within, counted) = (x.clone(), w.clone(), passes.clone());
        let within = move |grad: &Tensor| {
            let grads = inner(&cpu::linear(&x_within, &w_within, None)?.sum_all()?)?;
            let rows = grads.get(&w_within).expect("the inner pass' gradient").to_vec2::<f64>()?;
            let expected = x_within.sum(0)?.to_vec1::<f64>()?;
            assert!(
                rows.iter()
                    .flatten()
                    .zip(expected.iter().cycle())
                    .all(|(a, b)| (a - b).abs() < 1e-14)
            );
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(grad.clone())
        };
        // The outer pass reaches the variable before and after the inner one.
        let y = cpu::linear(&x, &w, None)?.apply_op1(WithBackward(within))?;
        let loss = weighted_sum(&cpu::linear(&y, &w, None)?)?;
        let (candle, ours) = (loss.backward()?, backward(&loss)?);
        assert_eq!(passes.load(Ordering::Relaxed), 2);
        let [candle, ours] =
            [&candle, &ours].map(|grads| grads.get(&w).expect("a gradient").clone());
        assert!(difference(&ours, &candle)? < 1e-14);
    }
    Ok(())
}

#[test]
fn a_pass_that_fails_leaves_nothing_behind() -> Result<()> {
    let (x, w) = (noise(&[2, 3], 1)?, var(&[4, 3], 2)?);
    let failing = || -> Result<Tensor> {
        let y =
            cpu::linear(&x, &w, None)?.apply_op1(WithBackward(|_: &Tensor| bail!("as wanted")))?;
        // The second layer has stored its gradient when the failing operation runs.
        cpu::linear(&y, var(&[2, 4], 3)?.as_tensor(), None)?.sum_all()
    };
    let error = backward(&failing()?).expect_err("it fails").to_string();
    assert!(error.contains("as wanted"), "{error}");
    let panicking = || -> Result<Tensor> {
        let y =
            cpu::linear(&x, &w, None)?.apply_op1(WithBackward(|_: &Tensor| panic!("as wanted")))?;
        cpu::relu(&y)?.sum_all()
    };
    let loss = panicking()?;
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| backward(&loss))).is_err());
    let [candle, ours] = both(&weighted_sum(&cpu::linear(&x, &w, None)?)?, &[&w])?;
    assert!(ours[0].is_some() && candle == ours);
    Ok(())
}
