//! Windows of an image as the columns of a matrix, and back.

use crate::cpu::values::Float;
use crate::window::Window;

/// How windows lie in a plane.
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Grid {
    pub(in crate::cpu) height: usize,
    pub(in crate::cpu) width: usize,
    pub(in crate::cpu) out_height: usize,
    pub(in crate::cpu) out_width: usize,
    pub(in crate::cpu) rows: Window,
    pub(in crate::cpu) columns: Window,
}

impl Grid {
    /// Entries of a plane.
    pub(in crate::cpu) fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Window positions.
    pub(in crate::cpu) fn positions(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Entries of a window.
    pub(in crate::cpu) fn window(&self) -> usize {
        self.rows.kernel * self.columns.kernel
    }

    /// Whether the windows are the plane itself.
    pub(in crate::cpu) fn is_identity(&self) -> bool {
        let identity = |w: &Window| w.kernel == 1 && w.stride == 1 && w.padding == 0;
        identity(&self.rows) && identity(&self.columns)
    }

    /// For each (channel, row offset, column offset): its row in the matrix, the offsets, and its channel.
    fn offsets(&self, channels: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> + use<> {
        let (kh, kw) = (self.rows.kernel, self.columns.kernel);
        (0..channels * kh * kw).map(move |row| (row, row / kw % kh, row % kw, row / (kh * kw)))
    }
}

/// Writes the windows of `image` `[channels, H, W]` into columns `at..at + positions` of the row-major matrix `out`
/// `[channels * kh * kw, width]`; padding becomes 0.
pub(in crate::cpu) fn gather<T: Float>(
    image: &[T],
    channels: usize,
    grid: &Grid,
    out: &mut [T],
    width: usize,
    at: usize,
) {
    for (row, u, v, c) in grid.offsets(channels) {
        let plane = &image[c * grid.plane()..][..grid.plane()];
        let out = &mut out[row * width + at..][..grid.positions()];
        gather_offset(plane, grid, u, v, out);
    }
}

/// What offset `(u, v)` of every window sees.
fn gather_offset<T: Float>(plane: &[T], grid: &Grid, u: usize, v: usize, out: &mut [T]) {
    let (top, bottom) = grid.rows.inside(u, grid.height, grid.out_height);
    let (left, right) = grid.columns.inside(v, grid.width, grid.out_width);
    let w = grid.out_width;
    let Window { stride, padding, dilation, .. } = grid.columns;
    if left == right {
        out.fill(T::zero());
        return;
    }
    out[..top * w].fill(T::zero());
    out[bottom * w..].fill(T::zero());
    if stride == 1 && w == grid.width && grid.rows.stride == 1 {
        // The whole plane moves by one distance: a single copy, whose wrapped-around border is then cleared.
        let shift = (u * grid.rows.dilation * w + v * dilation) as isize - (grid.rows.padding * w + padding) as isize;
        let start = (top * w).max((-shift).max(0) as usize);
        let end = (bottom * w).min((plane.len() as isize - shift) as usize);
        if start < end {
            out[start..end].copy_from_slice(&plane[(start as isize + shift) as usize..][..end - start]);
        }
        for line in out[top * w..bottom * w].chunks_exact_mut(w) {
            line[..left].fill(T::zero());
            line[right..].fill(T::zero());
        }
        return;
    }
    for y in top..bottom {
        let source =
            &plane[(y * grid.rows.stride + u * grid.rows.dilation - grid.rows.padding) * grid.width..][..grid.width];
        let line = &mut out[y * w..][..w];
        line[..left].fill(T::zero());
        line[right..].fill(T::zero());
        let first = left * stride + v * dilation - padding;
        let line = &mut line[left..right];
        match stride {
            1 => line.copy_from_slice(&source[first..][..right - left]),
            _ => line.iter_mut().zip(source[first..].iter().step_by(stride)).for_each(|(o, &s)| *o = s),
        }
    }
}

/// Adds the columns `at..at + positions` of `columns` `[channels * kh * kw, width]` to where [`gather`] reads them.
pub(in crate::cpu) fn scatter_add<T: Float>(
    columns: &[T],
    width: usize,
    at: usize,
    image: &mut [T],
    channels: usize,
    grid: &Grid,
) {
    let Window { stride, padding, dilation, .. } = grid.columns;
    for (row, u, v, c) in grid.offsets(channels) {
        let plane = &mut image[c * grid.plane()..][..grid.plane()];
        let column = &columns[row * width + at..][..grid.positions()];
        let (top, bottom) = grid.rows.inside(u, grid.height, grid.out_height);
        let (left, right) = grid.columns.inside(v, grid.width, grid.out_width);
        if left == right {
            continue;
        }
        for y in top..bottom {
            let line = (y * grid.rows.stride + u * grid.rows.dilation - grid.rows.padding) * grid.width;
            let target = &mut plane[line..][..grid.width][left * stride + v * dilation - padding..];
            let source = &column[y * grid.out_width..][left..right];
            match stride {
                1 => target.iter_mut().zip(source).for_each(|(t, &s)| *t += s),
                _ => target.iter_mut().step_by(stride).zip(source).for_each(|(t, &s)| *t += s),
            }
        }
    }
}
