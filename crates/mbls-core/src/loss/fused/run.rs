//! Divides a batch among threads; sums are added in one order, whatever their number.

use super::plan::Prepared;
use super::{Sums, columns, rows};
use crate::simd::Real;
use half::{bf16, f16};
use rayon::prelude::*;
use std::borrow::Cow;

/// Numbers a task: fewer are not worth a thread.
const TASK: usize = 1 << 14;

/// The most classes of which rows are turned into planes.
const FEW: usize = 32;

/// A type that logits are stored in, and the one their loss is computed in.
pub(super) trait Stored: Copy + Send + Sync + Default {
    type Compute: Real;

    fn read(values: &[Self]) -> Cow<'_, [Self::Compute]>;

    /// Lets a kernel write numbers, a slice a plane.
    fn write<R>(planes: Vec<&mut [Self]>, kernel: impl FnOnce(&mut [&mut [Self::Compute]]) -> R) -> R;
}

macro_rules! stored_as_computed {
    ($type:ty) => {
        impl Stored for $type {
            type Compute = Self;

            fn read(values: &[Self]) -> Cow<'_, [Self]> {
                values.into()
            }

            fn write<R>(mut planes: Vec<&mut [Self]>, kernel: impl FnOnce(&mut [&mut [Self]]) -> R) -> R {
                kernel(&mut planes)
            }
        }
    };
}

stored_as_computed!(f32);
stored_as_computed!(f64);

macro_rules! stored_in_half {
    ($type:ty) => {
        impl Stored for $type {
            type Compute = f32;

            fn read(values: &[Self]) -> Cow<'_, [f32]> {
                values.iter().map(|value| value.to_f32()).collect::<Vec<_>>().into()
            }

            fn write<R>(planes: Vec<&mut [Self]>, kernel: impl FnOnce(&mut [&mut [f32]]) -> R) -> R {
                let mut computed: Vec<Vec<f32>> = planes.iter().map(|plane| vec![0.0; plane.len()]).collect();
                let result = kernel(&mut computed.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
                for (plane, computed) in planes.into_iter().zip(computed) {
                    plane.iter_mut().zip(computed).for_each(|(value, computed)| *value = Self::from_f32(computed));
                }
                result
            }
        }
    };
}

stored_in_half!(bf16);
stored_in_half!(f16);

/// The sums of a batch `[images, classes, positions]`, and the gradient of their weighted sum where it is wanted.
pub(super) fn run<T: Stored>(
    logits: &[T],
    [classes, positions]: [usize; 2],
    targets: &[u32],
    plan: &Prepared<T::Compute>,
    wants_gradient: bool,
) -> (Sums, Option<Vec<T>>) {
    let mut gradient = vec![T::default(); if wants_gradient { logits.len() } else { 0 }];
    let sums = if positions == 1 {
        let task = (TASK / classes).max(1);
        let gradients = slices(&mut gradient, task * classes, targets.len().div_ceil(task));
        let tasks = logits.chunks(task * classes).zip(targets.chunks(task)).zip(gradients);
        add_all(tasks.collect(), |((logits, targets), gradient)| row_task::<T>(logits, targets, plan, gradient))
    } else {
        let tasks = position_tasks(logits, [classes, positions], targets, &mut gradient);
        add_all(tasks, |task| task.run(plan))
    };
    (sums, wants_gradient.then_some(gradient))
}

/// The parts of a gradient, or that there is none.
fn slices<T>(gradient: &mut [T], size: usize, count: usize) -> Vec<Option<&mut [T]>> {
    if gradient.is_empty() {
        return (0..count).map(|_| None).collect();
    }
    gradient.chunks_mut(size).map(Some).collect()
}

fn add_all<T: Send>(tasks: Vec<T>, run: impl Fn(T) -> Sums + Sync + Send) -> Sums {
    let sums: Vec<Sums> = match tasks.len() {
        // A thread that waits for a pool to take one task waits longer than the task takes.
        0 | 1 => tasks.into_iter().map(run).collect(),
        _ => tasks.into_par_iter().map(run).collect(),
    };
    let mut all = Sums::default();
    sums.into_iter().for_each(|sums| all += sums);
    all
}

fn row_task<T: Stored>(logits: &[T], targets: &[u32], plan: &Prepared<T::Compute>, gradient: Option<&mut [T]>) -> Sums {
    let logits = T::read(logits);
    let kernel = |gradient: &mut [&mut [T::Compute]]| {
        if logits.len() / targets.len() <= FEW {
            few_classes(&logits, targets, plan, gradient[0])
        } else if plan.penalty.is_some() {
            rows::with_penalty(&logits, targets, plan, gradient[0])
        } else {
            rows::without_penalty(&logits, targets, plan, gradient[0])
        }
    };
    match gradient {
        Some(gradient) => T::write(vec![gradient], kernel),
        None => kernel(&mut [&mut vec![T::Compute::default(); logits.len()]]),
    }
}

/// Rows of few classes, turned into planes, so that the vectors are full: a row's classes would fill a part of one.
fn few_classes<F: Real>(logits: &[F], targets: &[u32], plan: &Prepared<F>, gradient: &mut [F]) -> Sums {
    let (rows, classes) = (targets.len(), logits.len() / targets.len());
    let mut planes = vec![F::default(); logits.len()];
    let mut gradients = vec![F::default(); logits.len()];
    for (row, logits) in logits.chunks_exact(classes).enumerate() {
        for (class, &logit) in logits.iter().enumerate() {
            planes[class * rows + row] = logit;
        }
    }
    let planes: Vec<&[F]> = planes.chunks_exact(rows).collect();
    let sums = columns(&planes, targets, plan, &mut gradients.chunks_exact_mut(rows).collect::<Vec<_>>());
    for (row, gradient) in gradient.chunks_exact_mut(classes).enumerate() {
        for (class, value) in gradient.iter_mut().enumerate() {
            *value = gradients[class * rows + row];
        }
    }
    sums
}

fn columns<F: Real>(logits: &[&[F]], targets: &[u32], plan: &Prepared<F>, gradient: &mut [&mut [F]]) -> Sums {
    if plan.penalty.is_some() {
        columns::with_penalty(logits, targets, plan, gradient)
    } else {
        columns::without_penalty(logits, targets, plan, gradient)
    }
}

/// Positions of one image: a slice of each class's plane.
struct PositionTask<'a, T> {
    logits: Vec<&'a [T]>,
    targets: &'a [u32],
    gradient: Option<Vec<&'a mut [T]>>,
}

fn position_tasks<'a, T: Stored>(
    logits: &'a [T],
    [classes, positions]: [usize; 2],
    targets: &'a [u32],
    gradient: &'a mut [T],
) -> Vec<PositionTask<'a, T>> {
    let task = (TASK / classes).next_multiple_of(64);
    let mut gradients = slices(gradient, classes * positions, targets.len() / positions).into_iter();
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
            tasks[first..].iter_mut().zip(plane.chunks(task)).for_each(|(task, part)| task.logits.push(part));
        }
        for plane in gradient.into_iter().flat_map(|gradient| gradient.chunks_mut(positions)) {
            for (task, part) in tasks[first..].iter_mut().zip(plane.chunks_mut(task)) {
                task.gradient.get_or_insert_default().push(part);
            }
        }
    }
    tasks
}

impl<T: Stored> PositionTask<'_, T> {
    fn run(self, plan: &Prepared<T::Compute>) -> Sums {
        let logits: Vec<_> = self.logits.into_iter().map(T::read).collect();
        let logits: Vec<&[T::Compute]> = logits.iter().map(AsRef::as_ref).collect();
        let targets = self.targets;
        let kernel = |gradient: &mut [&mut [T::Compute]]| columns(&logits, targets, plan, gradient);
        match self.gradient {
            Some(gradient) => T::write(gradient, kernel),
            None => {
                let mut unused = vec![T::Compute::default(); logits.len() * targets.len()];
                kernel(&mut unused.chunks_mut(targets.len()).collect::<Vec<_>>())
            }
        }
    }
}
