//! Tests of the invariants in the module documentation, one by one.

use super::link::{Link, Origin, Source};
use super::{Gradients, Input, Keep, Operation, apply};
use candle_core::{CpuStorage, DType, Device, Result, Shape, Storage, Tensor, Var, bail};
use std::sync::{Arc, Mutex, Weak};

/// The weighted sum of its inputs. Its backward pass records what it receives.
struct Probe {
    factors: Vec<f64>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A backward pass as the operation sees it.
#[derive(Debug, PartialEq)]
struct Seen {
    grad: Vec<f64>,
    /// Numbers of elements of the inputs and of the result.
    inputs: Vec<usize>,
    result: usize,
    /// Whether gradients of the inputs are needed.
    wanted: Vec<bool>,
}

impl Operation for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let mut sum = vec![0.0; inputs[0].layout.shape().elem_count()];
        for (input, factor) in inputs.iter().zip(&self.factors) {
            let Storage::Cpu(CpuStorage::F64(values)) = input.storage else {
                bail!("probe: expected f64 on the CPU")
            };
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
        }
        Ok((Storage::Cpu(CpuStorage::F64(sum)), inputs[0].layout.shape().clone()))
    }

    fn backward(&self, inputs: &[&Tensor], result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        self.seen.lock().expect("no panic before").push(Seen {
            grad: grad.to_vec1()?,
            inputs: inputs.iter().map(|input| input.elem_count()).collect(),
            result: result.elem_count(),
            wanted: inputs.iter().map(|input| input.track_op()).collect(),
        });
        self.factors.iter().map(|&factor| Ok(Some((grad * factor)?))).collect()
    }
}

/// The record of a probe, which lives as long as the probe or the test that reads it.
type Diary = Arc<Mutex<Vec<Seen>>>;

fn probe_keeping<const N: usize>(
    factors: [f64; N],
    inputs: [&Tensor; N],
    keep: Keep<N>,
) -> Result<(Tensor, Diary)> {
    let seen = Diary::default();
    let y = apply(Probe { factors: factors.to_vec(), seen: seen.clone() }, inputs, keep)?;
    Ok((y, seen))
}

fn probe(factor: f64, x: &Tensor) -> Result<(Tensor, Diary)> {
    probe_keeping([factor], [x], Keep { inputs: [false], result: false })
}

fn var() -> Result<Var> {
    Var::new(&[1.0, -2.0], &Device::Cpu)
}

/// Returns whether no gradient is pending for the node of `y`.
fn slot_is_empty(y: &Tensor) -> bool {
    Link::of(y).expect("one of our results").slot.lock().is_none()
}

#[test]
fn a_node_runs_once_with_the_sum_of_the_gradients_of_all_readers() -> Result<()> {
    let x = var()?;
    let (y, seen) = probe(1.0, &x)?;
    let ours = [probe(2.0, &y)?.0, probe(3.0, &y)?.0];
    // Through `Value`: candle's operations on the result and on a view of it, and our operation on
    // a view.
    let candles = [
        (&y * 5.0)?,
        y.reshape((1, 2))?.squeeze(0)?,
        probe(7.0, &y.reshape((2, 1))?.squeeze(1)?)?.0,
    ];
    let loss =
        ours.iter().chain(&candles).try_fold(y.zeros_like()?, |sum, t| sum + t)?.sum_all()?;
    let grads = loss.backward()?;
    let seen = seen.lock().expect("no panic before");
    assert_eq!(seen.iter().map(|seen| &seen.grad[..]).collect::<Vec<_>>(), [[18.0, 18.0]]);
    assert_eq!(grads.get(&x).expect("a gradient").to_vec1::<f64>()?, [18.0, 18.0]);
    Ok(())
}

#[test]
fn a_pass_leaves_every_slot_empty() -> Result<()> {
    let x = var()?;
    let (y, seen) = probe(1.0, &x)?;
    let (z, _) = probe(2.0, &y)?;
    let loss = (&z + &y)?.sum_all()?;
    for pass in 1..=2 {
        loss.backward()?;
        assert!(slot_is_empty(&y) && slot_is_empty(&z), "pass {pass}");
        let seen = seen.lock().expect("no panic before");
        assert_eq!((seen.len(), &seen[pass - 1].grad[..]), (pass, &[3.0, 3.0][..]));
    }
    Ok(())
}

#[test]
fn candle_gets_no_numbers_for_a_result() -> Result<()> {
    let x = var()?;
    let (y, _) = probe(1.0, &x)?;
    let link = Link::of(&y).expect("one of our results");
    assert_eq!((link.handle.elem_count(), y.elem_count()), (0, 2));
    let told = link.give(y.ones_like()?)?;
    assert_eq!((told.elem_count(), told.track_op()), (0, false));
    assert!(!slot_is_empty(&y));
    Ok(())
}

#[test]
fn a_clone_is_recognised_as_the_result_and_a_view_is_not() -> Result<()> {
    let x = var()?;
    let (y, _) = probe(1.0, &x)?;
    let origin = |t: &Tensor| Source::new(t, false).origin;
    assert!(
        matches!(origin(&y.clone()), Origin::Link(link) if Arc::ptr_eq(&link, &Link::of(&y).expect("a link")))
    );
    assert!(matches!(origin(&y.narrow(0, 0, 1)?), Origin::Candle));
    assert!(matches!(origin(&y.detach()), Origin::Candle));
    assert!(matches!(origin(&x), Origin::Variable(id) if id == x.id()));
    Ok(())
}

#[test]
fn the_register_forgets_a_result_that_is_dropped() -> Result<()> {
    let x = var()?;
    let (y, seen) = probe(1.0, &x)?;
    let (id, seen) = (y.id(), downgrade(seen));
    assert!(Link::is_registered(id) && seen.upgrade().is_some());
    drop(y);
    assert!(!Link::is_registered(id));
    assert!(seen.upgrade().is_none(), "the operation is still alive");
    Ok(())
}

fn downgrade(seen: Diary) -> Weak<Mutex<Vec<Seen>>> {
    Arc::downgrade(&seen)
}

#[test]
fn tensors_that_are_not_kept_are_released() -> Result<()> {
    for keep in [false, true] {
        let x = var()?;
        let (y, _) = probe(1.0, &x)?;
        let constant = Tensor::ones(2, DType::F64, &Device::Cpu)?;
        let kept = Keep { inputs: [keep, false], result: keep };
        let (z, seen) = probe_keeping([2.0, 3.0], [&y, &constant], kept)?;
        let link = Link::of(&y).expect("one of our results");
        // References: here, in `y`, and in the source of `z`.
        let before = Arc::strong_count(&link);
        drop(y);
        assert_eq!(before - Arc::strong_count(&link), usize::from(!keep), "kept {keep}");
        z.sum_all()?.backward()?;
        let numbers = if keep { 2 } else { 0 };
        let expected = Seen {
            grad: vec![1.0; 2],
            inputs: vec![numbers, 2],
            result: numbers,
            wanted: vec![true, false],
        };
        assert_eq!(seen.lock().expect("no panic before")[..], [expected], "kept {keep}");
    }
    Ok(())
}

#[test]
fn a_kept_result_does_not_keep_the_graph() -> Result<()> {
    let x = var()?;
    let (y, seen) = probe_keeping([1.0], [&x], Keep { inputs: [true], result: true })?;
    let seen = downgrade(seen);
    assert!(seen.upgrade().is_some());
    drop(y);
    assert!(seen.upgrade().is_none(), "the operation and its result hold each other");
    Ok(())
}

#[test]
fn each_of_four_inputs_gets_its_own_gradient() -> Result<()> {
    let vars = [var()?, var()?, var()?, var()?];
    // Two through their slots, and two through candle.
    let [first, _, third, _] = &vars;
    let (inner, _) = probe(10.0, first)?;
    let (other, _) = probe(100.0, third)?;
    let keep = Keep { inputs: [false; 4], result: false };
    let (y, _) = probe_keeping([1.0, 2.0, 3.0, 4.0], [&inner, &vars[1], &other, &vars[3]], keep)?;
    let loss = y.sum_all()?;
    for grads in [loss.backward()?, crate::backward(&loss)?] {
        for (var, expected) in vars.iter().zip([10.0, 2.0, 300.0, 4.0]) {
            assert_eq!(grads.get(var).expect("a gradient").to_vec1::<f64>()?, [expected; 2]);
        }
    }
    Ok(())
}

#[test]
fn a_node_without_a_gradient_is_an_error() -> Result<()> {
    let x = var()?;
    let (y, seen) = probe(1.0, &x)?;
    let handle = Link::of(&y).expect("one of our results").handle.clone();
    let error = handle.backward().expect_err("no gradient was stored").to_string();
    assert!(error.contains("probe: no gradient was stored"), "{error}");
    assert!(seen.lock().expect("no panic before").is_empty());
    Ok(())
}
