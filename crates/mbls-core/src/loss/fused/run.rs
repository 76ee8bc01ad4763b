//! Distribution of a batch over threads. Sums are added in a fixed order, whatever the number of
//! threads.

use super::cost::{Cost, Hinge, Nothing, Uniform};
use super::plan::{Form, Prepared};
use super::stored::Stored;
use super::tiles::{self, Source, Target};
use super::{Sums, rows};
use crate::parallel::map_tasks;
use std::mem::MaybeUninit;

/// Numbers per task; fewer are not worth a thread.
const TASK: usize = 1 << 14;

/// Rows with at most this number of classes would not fill vectors and are processed as tiles.
const FEW: usize = 32;

/// Computes the sums of a batch `[images, classes, positions]`, and the gradient of their weighted
/// sum if it is wanted.
pub(super) fn run<T: Stored>(
    logits: &[T],
    shape: [usize; 2],
    targets: &[u32],
    plan: &Prepared<T::Compute>,
    wants_gradient: bool,
) -> (Sums, Option<Vec<T>>) {
    match &plan.penalty.form {
        Form::Nothing => run_with(logits, shape, targets, plan, &Nothing, wants_gradient),
        Form::Uniform => run_with(logits, shape, targets, plan, &Uniform, wants_gradient),
        Form::Hinge => run_with(logits, shape, targets, plan, &Hinge, wants_gradient),
        Form::Shaped(cost) => run_with(logits, shape, targets, plan, cost, wants_gradient),
        Form::Augmented(cost) => run_with(logits, shape, targets, plan, cost, wants_gradient),
    }
}

fn run_with<T: Stored, C: Cost<T::Compute>>(
    logits: &[T],
    [classes, positions]: [usize; 2],
    targets: &[u32],
    plan: &Prepared<T::Compute>,
    cost: &C,
    wants_gradient: bool,
) -> (Sums, Option<Vec<T>>) {
    let mut gradient = Vec::with_capacity(if wants_gradient { logits.len() } else { 0 });
    let slots =
        if wants_gradient { &mut gradient.spare_capacity_mut()[..logits.len()] } else { &mut [] };
    let sums = if positions == 1 {
        let task = (TASK / classes).max(1);
        let gradients = slices(slots, task * classes, targets.len().div_ceil(task));
        let tasks = logits.chunks(task * classes).zip(targets.chunks(task)).zip(gradients);
        add_all(
            tasks.collect(),
            &|((logits, targets), gradient)| match (classes <= FEW, gradient) {
                (true, Some(rows)) => {
                    tiles::add(Source::Rows(logits), targets, plan, cost, Target::Rows(rows))
                }
                (true, None) => tiles::add(Source::Rows(logits), targets, plan, cost, Target::None),
                (false, gradient) => rows::add(logits, targets, plan, cost, gradient),
            },
        )
    } else {
        let tasks = position_tasks(logits, [classes, positions], targets, slots);
        add_all(tasks, &|task: PositionTask<'_, T>| {
            let logits = Source::Planes(&task.logits);
            match task.gradient {
                Some(mut planes) => {
                    tiles::add(logits, task.targets, plan, cost, Target::Planes(&mut planes))
                }
                None => tiles::add(logits, task.targets, plan, cost, Target::None),
            }
        })
    };
    if wants_gradient {
        // SAFETY: the capacity is `logits.len()`; the tasks share all of the slots among them, and
        // each kernel writes all of its slots.
        unsafe { gradient.set_len(logits.len()) };
    }
    (sums, wants_gradient.then_some(gradient))
}

/// Splits a gradient into parts, which are `None` if there is no gradient.
fn slices<T>(gradient: &mut [T], size: usize, count: usize) -> Vec<Option<&mut [T]>> {
    if gradient.is_empty() {
        return (0..count).map(|_| None).collect();
    }
    gradient.chunks_mut(size).map(Some).collect()
}

fn add_all<T: Send>(tasks: Vec<T>, run: &(dyn Fn(T) -> Sums + Sync)) -> Sums {
    let sums: Vec<Sums> = match tasks.len() {
        // Waiting for a pool to run a single task takes longer than the task.
        0 | 1 => tasks.into_iter().map(run).collect(),
        _ => map_tasks(tasks, run),
    };
    let mut all = Sums::default();
    sums.into_iter().for_each(|sums| all += sums);
    all
}

/// Positions of one image: a slice of each class's plane.
struct PositionTask<'a, T> {
    logits: Vec<&'a [T]>,
    targets: &'a [u32],
    gradient: Option<Vec<&'a mut [MaybeUninit<T>]>>,
}

fn position_tasks<'a, T: Stored>(
    logits: &'a [T],
    [classes, positions]: [usize; 2],
    targets: &'a [u32],
    gradient: &'a mut [MaybeUninit<T>],
) -> Vec<PositionTask<'a, T>> {
    let task = (TASK / classes).next_multiple_of(64);
    let mut gradients =
        slices(gradient, classes * positions, targets.len() / positions).into_iter();
    let mut tasks = Vec::with_capacity(targets.len().div_ceil(task));
    for (logits, targets) in logits.chunks(classes * positions).zip(targets.chunks(positions)) {
        let first = tasks.len();
        let gradient = gradients.next().flatten();
        tasks.extend(targets.chunks(task).map(|targets| PositionTask {
            logits: Vec::with_capacity(classes),
            targets,
            gradient: gradient.is_some().then(|| Vec::with_capacity(classes)),
        }));
        for plane in logits.chunks(positions) {
            tasks[first..]
                .iter_mut()
                .zip(plane.chunks(task))
                .for_each(|(task, part)| task.logits.push(part));
        }
        for plane in gradient.into_iter().flat_map(|gradient| gradient.chunks_mut(positions)) {
            for (task, part) in tasks[first..].iter_mut().zip(plane.chunks_mut(task)) {
                task.gradient.get_or_insert_default().push(part);
            }
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Base, Gamma, Plan, Second};
    use super::*;
    use crate::Result;
    use crate::loss::{AugmentedPenalty, LogitBatch, LogitPenalty, PenaltyShape};
    use crate::simd::on_base;
    use candle_core::{Device, Tensor};

    fn plans(classes: usize) -> Result<Vec<Plan>> {
        let plan = || Plan::new("base", 1.0, Base::CrossEntropy);
        let penalty = |second| plan().with_second("second", 0.3, second);
        let squared = LogitPenalty::new(1.0)?.with_shape(PenaltyShape::Quadratic)?;
        let (lambda, rho) = (vec![0.5; classes], vec![2.0; classes]);
        let augmented = |penalty| Second::Augmented {
            penalty,
            margin: 1.5,
            lambda: lambda.clone(),
            rho: rho.clone(),
        };
        Ok(vec![
            Plan::new("base", 1.0, Base::Focal(Gamma::constant(3.0))),
            penalty(Second::Uniform),
            penalty(Second::Penalty(LogitPenalty::new(1.0)?)),
            penalty(Second::Penalty(squared)).with_top_logit("top_logit", 0.2, 1.0),
            penalty(augmented(AugmentedPenalty::Phr)),
            penalty(augmented(AugmentedPenalty::P2)),
        ])
    }

    /// A single task, which runs on the calling thread.
    #[test]
    fn code_without_vector_instructions_agrees() -> Result<()> {
        // Miri is slow, so it gets fewer classes, but more than the tile kernel takes.
        let many = if cfg!(miri) { 70 } else { 1000 };
        for dims in [&[7, 5][..], &[3, many], &[1, 5, 70]] {
            let count: usize = dims.iter().product();
            let logits: Vec<f32> = (0..count).map(|i| ((i * 7919) % 1009) as f32 / 90.0).collect();
            let positions = count / dims[1];
            let labels: Vec<u32> =
                (0..positions as u32).map(|i| if i % 5 == 4 { 9999 } else { i % 5 }).collect();
            let labels = Tensor::from_vec(labels, [&dims[..1], &dims[2..]].concat(), &Device::Cpu)?;
            let batch = LogitBatch::new(
                &Tensor::from_slice(&logits, dims, &Device::Cpu)?,
                &labels,
                Some(9999),
            )?;
            for plan in plans(dims[1])? {
                let plan = Prepared::<f32>::new(&plan, &batch)?;
                let shape = [dims[1], positions / dims[0]];
                let run = || run(&logits, shape, batch.targets(), &plan, true);
                let ((found, gradient), (expected, slow)) = (run(), on_base(run));
                for (found, expected) in found.terms().iter().zip(expected.terms()) {
                    assert!(
                        (found - expected).abs() <= 1e-6 * expected.abs(),
                        "{found} {expected}"
                    );
                }
                let (gradient, slow) = (gradient.unwrap_or_default(), slow.unwrap_or_default());
                assert_eq!((gradient.len(), slow.len()), (count, count));
                let scale = slow.iter().fold(0f32, |scale, value| scale.max(value.abs()));
                for (found, expected) in gradient.iter().zip(&slow) {
                    assert!((found - expected).abs() <= 2e-6 * scale, "{found} {expected}");
                }
            }
        }
        Ok(())
    }
}
