//! Tests of every algorithm on every small convolution against the definition, even if it would not
//! be selected.

use super::offsets::Offsets;
use super::plan::{Plan, flip};
use super::windows;
use super::winograd::Winograd;
use crate::cpu::kernel::columns::Grid;
use crate::shape::Window;

/// Computes the convolution of `x` and the gradients of `x` and `weight` by the definition.
fn defined(plan: &Plan, x: &[f64], weight: &[f64], bias: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
    let Plan { groups, inputs, outputs, grid } = *plan;
    let (mut y, mut dx, mut dw) =
        (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; weight.len()]);
    for (at, y) in y.iter_mut().enumerate() {
        let (channel, position) =
            (at / grid.positions() % (groups * outputs), at % grid.positions());
        let (image, group) = (at / plan.out_image(), channel / outputs);
        *y = bias[channel];
        for k in 0..inputs * grid.window() {
            let (c, place) = (group * inputs + k / grid.window(), k % grid.window());
            let line = position / grid.out_width * grid.rows.stride
                + place / grid.columns.kernel * grid.rows.dilation;
            let entry = position % grid.out_width * grid.columns.stride
                + place % grid.columns.kernel * grid.columns.dilation;
            let inside = |at: usize, w: &Window, size: usize| {
                at.checked_sub(w.padding).filter(|&at| at < size)
            };
            let Some(line) = inside(line, &grid.rows, grid.height) else { continue };
            let Some(entry) = inside(entry, &grid.columns, grid.width) else { continue };
            let from = image * plan.in_image() + c * grid.plane() + line * grid.width + entry;
            let w = channel * inputs * grid.window() + k;
            *y += weight[w] * x[from];
            dx[from] += weight[w] * dy[at];
            dw[w] += dy[at] * x[from];
        }
    }
    [y, dx, dw]
}

fn values(n: usize, salt: usize) -> Vec<f64> {
    (0..n).map(|i| ((i * 37 + salt * 11 + i * i % 23) % 41) as f64 / 20.0 - 1.0).collect()
}

fn check(form: &str, plan: &Plan, found: [Vec<f64>; 3], expected: &[Vec<f64>; 3]) {
    for (what, (found, expected)) in ["y", "dx", "dw"].iter().zip(found.iter().zip(expected)) {
        assert_eq!(found.len(), expected.len());
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!(
                (f - e).abs() <= 1e-11 * (1.0 + e.abs()),
                "{form}, {what}[{i}]: {f}, expected {e}; {plan:?}"
            );
        }
    }
}

#[test]
fn every_form_agrees_with_the_definition() {
    let mut seen = [0; 3];
    let axis = |size: usize, kernel: usize, stride: usize, padding: usize, dilation: usize| {
        let window = Window { kernel, stride, padding, dilation };
        window.output(size, "test").ok().map(|out| (size, out, window))
    };
    let rows: Vec<_> = [
        (1, 1, 1, 0, 1),
        (1, 3, 1, 1, 1),
        (5, 3, 1, 1, 1),
        (4, 3, 1, 2, 2),
        (9, 3, 1, 0, 1),
        (6, 2, 2, 1, 1),
    ]
    .into_iter()
    .filter_map(|(n, k, s, p, d)| axis(n, k, s, p, d))
    .collect();
    let columns: Vec<_> = [
        (1, 3, 1, 3, 1),
        (8, 3, 1, 1, 1),
        (40, 3, 1, 1, 1),
        (7, 3, 1, 4, 3),
        (11, 3, 1, 2, 5),
        (3, 3, 1, 6, 4),
        (1, 1, 1, 0, 1),
        (6, 4, 3, 2, 2),
        (9, 5, 1, 0, 1),
        (300, 3, 2, 1, 1),
    ]
    .into_iter()
    .filter_map(|(n, k, s, p, d)| axis(n, k, s, p, d))
    .collect();
    assert_eq!((rows.len(), columns.len()), (6, 10));
    // Miri is slow, so it runs two of the sixty pairs: one for Winograd, one with stride and
    // dilation; groups in the first.
    let interpreted = cfg!(miri);
    for (i, (&(height, out_height, rows), &(width, out_width, columns))) in
        rows.iter().flat_map(|r| columns.iter().map(move |c| (r, c))).enumerate()
    {
        if interpreted && ![21, 57].contains(&i) {
            continue;
        }
        for (images, groups, inputs, outputs) in
            [(1, 1, 1, 1), (3, 1, 2, 3), (2, 2, 3, 1), (70, 1, 1, 2)]
        {
            if interpreted && images != 1 && (images, i) != (2, 21) {
                continue;
            }
            let grid = Grid { height, width, out_height, out_width, rows, columns };
            let plan = Plan { groups, inputs, outputs, grid };
            let (x, dy) =
                (values(images * plan.in_image(), 1), values(images * plan.out_image(), 2));
            let (weight, bias) = (values(groups * plan.weights(), 3), values(groups * outputs, 4));
            let expected = defined(&plan, &x, &weight, &bias, &dy);

            let (dx, dw) = windows::backward(&plan, &x, &weight, &dy, (true, true));
            check(
                "windows",
                &plan,
                [windows::forward(&plan, &x, &weight, Some(&bias)), dx, dw],
                &expected,
            );
            let offsets = Offsets::of(&plan);
            let gradients =
                [offsets.input_gradient(&weight, &dy), offsets.weight_gradient(&x, &dy)];
            let [dx, dw] = gradients;
            check("offsets", &plan, [offsets.forward(&x, &weight, Some(&bias)), dx, dw], &expected);
            seen[0] += 1;
            let Some(winograd) = Winograd::of(&plan) else { continue };
            let dx = match plan.adjoint().as_ref().and_then(Winograd::of) {
                Some(adjoint) => {
                    seen[1] += 1;
                    adjoint.forward(&dy, &flip(&weight, &plan), None)
                }
                None => expected[1].clone(),
            };
            let y = winograd.forward(&x, &weight, Some(&bias));
            check("Winograd", &plan, [y, dx, winograd.weight_gradient(&x, &dy)], &expected);
            seen[2] += 1;
        }
    }
    // There is no adjoint if the padding exceeds the extent of the kernel.
    assert!(interpreted || seen[0] == 240 && seen[1] > 40 && seen[2] > seen[1], "{seen:?}");
}
