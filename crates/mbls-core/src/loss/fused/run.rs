//! Divides a batch among threads; sums are added in one order, whatever their number.

use super::cost::{Cost, Hinge, Nothing, Whole};
use super::plan::{Form, Prepared};
use super::stored::Stored;
use super::tiles::{self, Source, Target};
use super::{Sums, rows};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Numbers a task: fewer are not worth a thread.
const TASK: usize = 1 << 14;

/// The most classes of rows whose vectors would not be full: they go as tiles.
const FEW: usize = 32;

/// The sums of a batch `[images, classes, positions]`, and the gradient of their weighted sum where it is wanted.
pub(super) fn run<T: Stored>(
    logits: &[T],
    shape: [usize; 2],
    targets: &[u32],
    plan: &Prepared<T::Compute>,
    wants_gradient: bool,
) -> (Sums, Option<Vec<T>>) {
    match &plan.penalty.form {
        Form::Nothing => run_with(logits, shape, targets, plan, &Nothing, wants_gradient),
        Form::Whole => run_with(logits, shape, targets, plan, &Whole, wants_gradient),
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
    let slots = match wants_gradient {
        true => &mut gradient.spare_capacity_mut()[..logits.len()],
        false => &mut [],
    };
    let sums = if positions == 1 {
        let task = (TASK / classes).max(1);
        let gradients = slices(slots, task * classes, targets.len().div_ceil(task));
        let tasks = logits.chunks(task * classes).zip(targets.chunks(task)).zip(gradients);
        add_all(tasks.collect(), |((logits, targets), gradient)| match (classes <= FEW, gradient) {
            (true, Some(rows)) => tiles::add(Source::Rows(logits), targets, plan, cost, Target::Rows(rows)),
            (true, None) => tiles::add(Source::Rows(logits), targets, plan, cost, Target::None),
            (false, gradient) => rows::add(logits, targets, plan, cost, gradient),
        })
    } else {
        let tasks = position_tasks(logits, [classes, positions], targets, slots);
        add_all(tasks, |task: PositionTask<'_, T>| {
            let logits = Source::Planes(&task.logits);
            match task.gradient {
                Some(mut planes) => tiles::add(logits, task.targets, plan, cost, Target::Planes(&mut planes)),
                None => tiles::add(logits, task.targets, plan, cost, Target::None),
            }
        })
    };
    if wants_gradient {
        // SAFETY: the capacity is that many; the tasks share all of the slots among them, and each kernel writes all of its own.
        unsafe { gradient.set_len(logits.len()) };
    }
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
