//! Gradients through results that several operations read, both ours and candle's.

use crate::support::{bits, cpu, difference, noise, portable, weighted_sum};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use mbls_nn::{ConvConfig, no_grad};

/// The operations of one back end.
struct Form {
    conv: fn(&Tensor, &Tensor, Option<&Tensor>, &ConvConfig<2>) -> Result<Tensor>,
    relu: fn(&Tensor) -> Result<Tensor>,
    linear: fn(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>,
}

const OURS: Form = Form { conv: cpu::conv, relu: cpu::relu, linear: cpu::linear };
const PORTABLE: Form =
    Form { conv: portable::conv, relu: portable::relu, linear: portable::linear };

fn variables() -> Result<[Var; 3]> {
    let var = |shape: &[usize], salt| Var::from_tensor(&noise(shape, salt)?);
    Ok([var(&[2, 3, 6, 6], 1)?, var(&[3, 3, 3, 3], 2)?, var(&[5, 36], 3)?])
}

/// A result that is read by a convolution, a ReLU, candle's square, and a view of it, which one of
/// our operations reads again.
fn several_readers(form: &Form, [x, w, v]: &[Var; 3]) -> Result<(Tensor, Tensor)> {
    let config = ConvConfig { padding: [1, 1], ..ConvConfig::before_norm() };
    let y = (form.relu)(&(form.conv)(x, w, None, &config)?)?;
    let read =
        [(form.conv)(&y, w, None, &config)?, (form.relu)(&(&y - 0.3)?)?, y.sqr()?, y.clone()];
    let all = read.into_iter().reduce(|a, b| (a + b).expect("one shape")).expect("readers");
    let part = (form.linear)(&y.flatten_from(2)?.narrow(1, 1, 2)?, v, None)?;
    Ok((weighted_sum(&all)?, weighted_sum(&part)?))
}

fn gradients(grads: &GradStore, variables: &[Var]) -> Vec<Option<Tensor>> {
    variables.iter().map(|var| grads.get(var).cloned()).collect()
}

#[test]
fn all_readers_of_a_result_count() -> Result<()> {
    let vars = variables()?;
    let run = |form: &Form| -> Result<_> {
        let (all, part) = several_readers(form, &vars)?;
        Ok(gradients(&(all + part)?.backward()?, &vars))
    };
    for (found, expected) in run(&OURS)?.iter().zip(run(&PORTABLE)?) {
        let (found, expected) =
            (found.as_ref().expect("a gradient"), expected.expect("a gradient"));
        let gap = difference(found, &expected)?;
        assert!(gap < 1e-13, "{gap}");
    }
    Ok(())
}

#[test]
fn a_graph_can_be_differentiated_again_and_in_parts() -> Result<()> {
    let vars = variables()?;
    let (all, part) = several_readers(&OURS, &vars)?;
    let (expected_all, expected_part) = several_readers(&PORTABLE, &vars)?;
    // Alternating, so that anything left by one pass would show in the next.
    let mut passes = Vec::new();
    for loss in [&part, &all, &part, &all] {
        passes.push(gradients(&loss.backward()?, &vars));
    }
    let expected = [expected_part, expected_all]
        .map(|loss| loss.backward().map(|grads| gradients(&grads, &vars)));
    for (found, expected) in passes.iter().zip(expected.iter().cycle()) {
        for (found, expected) in found.iter().zip(expected.as_ref().expect("gradients")) {
            match (found, expected) {
                (Some(found), Some(expected)) => assert!(difference(found, expected)? < 1e-13),
                (found, expected) => {
                    assert!(found.is_none() && expected.is_none(), "a gradient where none belongs");
                }
            }
        }
    }
    for (first, second) in passes[1].iter().zip(&passes[3]).chain(passes[0].iter().zip(&passes[2]))
    {
        let bits = |t: &Option<Tensor>| t.as_ref().map(bits).transpose();
        assert_eq!(bits(first)?, bits(second)?);
    }
    Ok(())
}

#[test]
fn an_input_that_is_read_twice_by_one_operation() -> Result<()> {
    let x = Var::from_tensor(&noise(&[4, 4], 1)?)?;
    let run = |form: &Form| -> Result<Tensor> {
        let y = (form.relu)(&x)?;
        let z = weighted_sum(&(form.linear)(&y, &y, None)?)?;
        Ok(z.backward()?.get(&x).expect("a gradient").clone())
    };
    assert!(difference(&run(&OURS)?, &run(&PORTABLE)?)? < 1e-13);
    Ok(())
}

#[test]
fn nothing_is_tracked_without_variables() -> Result<()> {
    let x = noise(&[3, 4], 1)?;
    assert!(!cpu::relu(&x)?.track_op());
    let var = Var::from_tensor(&x)?;
    assert!(!cpu::relu(&var.as_detached_tensor())?.track_op() && cpu::relu(&var)?.track_op());
    Ok(())
}

#[test]
fn nothing_is_tracked_without_gradients() -> Result<()> {
    let [x, w, _] = variables()?;
    let y = cpu::relu(&x)?;
    let config = ConvConfig::<2>::before_norm();
    let inner = |y: &Tensor| cpu::conv(y, &w, None, &config);
    let z = no_grad(|| {
        // The end of the inner one does not end the outer one.
        no_grad(|| inner(&y))?;
        inner(&y)
    })?;
    assert!(!z.track_op() && inner(&y)?.track_op());
    assert_eq!(bits(&z)?, bits(&inner(&y)?)?);
    let failed = std::panic::catch_unwind(|| no_grad(|| panic!("as wanted")));
    assert!(failed.is_err() && inner(&y)?.track_op(), "gradients after a panic");
    Ok(())
}

/// Candle traverses and drops a graph recursively; threads of a pool have 2 MiB of stack.
#[test]
fn deep_networks_fit_the_stack_of_a_thread() {
    let run = || -> Result<f64> {
        let x = Var::new(&[1f64, -1.0], &Device::Cpu)?;
        // Three times as deep as DenseNet-201.
        let mut y = x.as_tensor().clone();
        for _ in 0..2000 {
            y = cpu::relu(&y)?;
        }
        let grads = y.sum_all()?.backward()?;
        drop(y);
        grads.get(&x).expect("a gradient").to_dtype(DType::F64)?.sum_all()?.to_scalar()
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread");
    assert_eq!(thread.join().expect("no overflow").expect("a sum"), 1.0);
}
