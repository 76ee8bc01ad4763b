//! Conversion of image windows to matrix columns, and back.

use crate::cpu::values::Float;
use crate::shape::Window;
use std::ops::Range;

/// The geometry of windows in a plane.
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
    /// Returns the number of entries of a plane.
    pub(in crate::cpu) fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Returns the number of window positions.
    pub(in crate::cpu) fn positions(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Returns the number of entries of a window.
    pub(in crate::cpu) fn window(&self) -> usize {
        self.rows.kernel * self.columns.kernel
    }

    /// Returns whether the windows are the plane itself.
    pub(in crate::cpu) fn is_identity(&self) -> bool {
        let identity = |w: &Window| w.kernel == 1 && w.stride == 1 && w.padding == 0;
        identity(&self.rows) && identity(&self.columns)
    }

    /// Returns the input line that row offset `u` of the windows in output line `y` reads; it must
    /// be inside the plane.
    fn line(&self, u: usize, y: usize) -> usize {
        y * self.rows.stride + u * self.rows.dilation - self.rows.padding
    }

    /// Returns the part of `lines` for which row offset `u` reads the input and not its padding.
    fn lines_inside(&self, u: usize, lines: &Range<usize>) -> Range<usize> {
        let (top, bottom) = self.rows.inside(u, self.height, self.out_height);
        top.max(lines.start)..bottom.min(lines.end)
    }

    /// Returns for each (channel, row offset, column offset) its matrix row, the offsets, and the
    /// channel.
    fn offsets(
        &self,
        channels: usize,
    ) -> impl Iterator<Item = (usize, usize, usize, usize)> + use<> {
        let (kh, kw) = (self.rows.kernel, self.columns.kernel);
        (0..channels * kh * kw).map(move |row| (row, row / kw % kh, row % kw, row / (kh * kw)))
    }
}

/// Writes windows of `image` `[channels, H, W]` as columns of the row-major matrix `out`
/// `[channels * kh * kw, ..]`, with row stride `stride`, starting at column `at`. The windows are
/// those of the output lines `lines`; padding becomes 0.
pub(in crate::cpu) fn gather<T: Float>(
    image: &[T],
    channels: usize,
    grid: &Grid,
    lines: &Range<usize>,
    out: &mut [T],
    (stride, at): (usize, usize),
) {
    for (row, u, v, c) in grid.offsets(channels) {
        let plane = &image[c * grid.plane()..][..grid.plane()];
        gather_offset(
            plane,
            grid,
            u,
            v,
            lines,
            &mut out[row * stride + at..][..lines.len() * grid.out_width],
        );
    }
}

/// Gathers the entry at offset `(u, v)` of every window in `lines`.
fn gather_offset<T: Float>(
    plane: &[T],
    grid: &Grid,
    u: usize,
    v: usize,
    lines: &Range<usize>,
    out: &mut [T],
) {
    let inside = grid.lines_inside(u, lines);
    let (left, right) = grid.columns.inside(v, grid.width, grid.out_width);
    let w = grid.out_width;
    let Window { stride, padding, dilation, .. } = grid.columns;
    if left == right || inside.is_empty() {
        out.fill(T::zero());
        return;
    }
    let (top, bottom) = (inside.start - lines.start, inside.end - lines.start);
    out[..top * w].fill(T::zero());
    out[bottom * w..].fill(T::zero());
    let out = &mut out[top * w..bottom * w];
    if stride == 1 && w == grid.width && grid.rows.stride == 1 {
        // All lines move by the same distance: a single copy, whose wrapped-around border is then
        // cleared.
        let first = (grid.line(u, inside.start) * w + v * dilation) as isize - padding as isize;
        let skip = (-first).max(0) as usize;
        let end = out.len().min((plane.len() as isize - first) as usize);
        if skip < end {
            out[skip..end]
                .copy_from_slice(&plane[(first + skip as isize) as usize..][..end - skip]);
        }
        for line in out.chunks_exact_mut(w) {
            line[..left].fill(T::zero());
            line[right..].fill(T::zero());
        }
        return;
    }
    for (y, line) in inside.zip(out.chunks_exact_mut(w)) {
        let source = &plane[grid.line(u, y) * grid.width..][..grid.width];
        line[..left].fill(T::zero());
        line[right..].fill(T::zero());
        let source = &source[left * stride + v * dilation - padding..];
        let line = &mut line[left..right];
        match stride {
            1 => line.copy_from_slice(&source[..right - left]),
            _ => line.iter_mut().zip(source.iter().step_by(stride)).for_each(|(o, &s)| *o = s),
        }
    }
}

/// Adds the columns to the image entries from which [`gather`] reads them.
pub(in crate::cpu) fn scatter_add<T: Float>(
    columns: &[T],
    (stride, at): (usize, usize),
    image: &mut [T],
    channels: usize,
    grid: &Grid,
    lines: &Range<usize>,
) {
    let Window { stride: step, padding, dilation, .. } = grid.columns;
    for (row, u, v, c) in grid.offsets(channels) {
        let plane = &mut image[c * grid.plane()..][..grid.plane()];
        let column = &columns[row * stride + at..][..lines.len() * grid.out_width];
        let (left, right) = grid.columns.inside(v, grid.width, grid.out_width);
        if left == right {
            continue;
        }
        for y in grid.lines_inside(u, lines) {
            let line = &mut plane[grid.line(u, y) * grid.width..][..grid.width];
            let target = &mut line[left * step + v * dilation - padding..];
            let source = &column[(y - lines.start) * grid.out_width..][left..right];
            match step {
                1 => target.iter_mut().zip(source).for_each(|(t, &s)| *t += s),
                _ => target.iter_mut().step_by(step).zip(source).for_each(|(t, &s)| *t += s),
            }
        }
    }
}
