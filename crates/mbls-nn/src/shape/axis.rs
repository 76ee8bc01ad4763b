//! The input entries that pooling and resampling read along one axis.

use super::pool::PoolSize;
use candle_core::{Result, Tensor, bail};
use std::ops::Range;

/// The input entries that each output position of a pool reads.
#[derive(Clone, Debug)]
pub(crate) struct Spans {
    pub(crate) input: usize,
    /// The spans without padding, never empty.
    pub(crate) spans: Vec<Range<usize>>,
    /// Lengths with padding: the divisors of PyTorch's average if padding counts.
    padded: Vec<usize>,
    /// Distance between consecutive spans, or 0 if it varies.
    pub(crate) stride: usize,
    /// The positions whose spans are `stride` apart and have equal lengths.
    pub(crate) interior: Range<usize>,
}

impl Spans {
    /// Creates the spans of a sliding window. With `ceil_mode` the last window may extend beyond
    /// the padded input, but starts inside the input or the left padding.
    fn sliding(
        input: usize,
        [kernel, stride, padding]: [usize; 3],
        ceil_mode: bool,
        what: &str,
    ) -> Result<Self> {
        for (field, value) in [("kernel", kernel), ("stride", stride)] {
            if value == 0 {
                bail!("{what}: {field} = 0, expected at least 1");
            }
        }
        // A larger padding would create windows without any input.
        if padding > kernel / 2 {
            bail!("{what}: padding = {padding}, expected at most half of the kernel of {kernel}");
        }
        let slack = if ceil_mode { stride - 1 } else { 0 };
        let end = padding
            .checked_mul(2)
            .and_then(|p| p.checked_add(input))
            .and_then(|end| end.checked_add(slack));
        let Some(room) = end.and_then(|end| end.checked_sub(kernel)) else {
            bail!(
                "{what}: a window of {kernel} does not fit into {input} entries padded by {padding}"
            );
        };
        let mut output = room / stride + 1;
        if ceil_mode && (output - 1).saturating_mul(stride) >= input + padding {
            output -= 1;
        }
        let starts = || (0..output).map(|o| o * stride);
        let spans = starts()
            .map(|s| s.saturating_sub(padding)..(s + kernel - padding).min(input))
            .collect();
        let padded = starts().map(|s| kernel.min(input + 2 * padding - s)).collect();
        let low = padding.div_ceil(stride).min(output);
        let high =
            (input + padding).checked_sub(kernel).map_or(0, |last| (last / stride + 1).min(output));
        Ok(Self { input, spans, padded, stride, interior: low..high.max(low) })
    }

    /// Creates the spans of PyTorch's adaptive rule: `floor(o in / out)` to
    /// `ceil((o + 1) in / out)`.
    fn adaptive(input: usize, output: usize, what: &str) -> Result<Self> {
        if output == 0 {
            bail!("{what}: output size = 0, expected at least 1");
        }
        // Wide products, so that no size overflows.
        let at = |o: usize, round: usize| {
            ((o as u128 * input as u128 + round as u128) / output as u128) as usize
        };
        let spans: Vec<_> = (0..output).map(|o| at(o, 0)..at(o + 1, output - 1)).collect();
        let padded = spans.iter().map(Range::len).collect();
        Ok(Self { input, spans, padded, stride: 0, interior: 0..0 })
    }

    /// Creates the axis that a one-dimensional input lacks.
    fn single() -> Self {
        Self {
            input: 1,
            spans: std::iter::once(0..1).collect(),
            padded: vec![1],
            stride: 0,
            interior: 0..0,
        }
    }

    /// The number of output positions.
    pub(crate) fn output(&self) -> usize {
        self.spans.len()
    }

    /// The length of the longest span.
    pub(crate) fn longest(&self) -> usize {
        self.spans.iter().map(Range::len).max().unwrap_or(0)
    }

    /// Returns entry `k` of each span, or the last entry of a shorter span.
    pub(crate) fn entry(&self, k: usize) -> Vec<u32> {
        self.spans.iter().map(|span| (span.start + k).min(span.end - 1) as u32).collect()
    }

    /// Returns the output positions that read each input entry. They are contiguous, because
    /// neither end of the spans ever decreases.
    #[cfg(any(test, feature = "cuda"))]
    pub(crate) fn readers(&self) -> Vec<Range<usize>> {
        readers(&self.spans, self.input)
    }

    /// Returns the map to the mean of each span; with `count_padding` padding counts as zeros.
    pub(crate) fn means(&self, count_padding: bool) -> Taps {
        let mut taps = Taps { input: self.input, taps: Vec::new() };
        for (span, &padded) in self.spans.iter().zip(&self.padded) {
            let divisor = if count_padding { padded } else { span.len() };
            taps.taps.push((span.start, vec![1.0 / divisor as f64; span.len()]));
        }
        taps
    }
}

/// A linear map along one axis: each output position is a weighted sum of neighbouring inputs.
#[derive(Clone, Debug)]
pub(crate) struct Taps {
    pub(crate) input: usize,
    /// The first input of each output position and the weights from there on.
    pub(crate) taps: Vec<(usize, Vec<f64>)>,
}

impl Taps {
    /// Creates linear interpolation to `output` positions, as in PyTorch. With `align_corners` the
    /// first and last entries coincide, otherwise the outer edges of the pixels do, and positions
    /// before the first centre get the first entry.
    pub(crate) fn linear(
        input: usize,
        output: usize,
        align_corners: bool,
        what: &str,
    ) -> Result<Self> {
        if output == 0 {
            bail!("{what}: output size = 0, expected at least 1");
        }
        let scale = match align_corners {
            true if output > 1 => (input - 1) as f64 / (output - 1) as f64,
            true => 0.0,
            false => input as f64 / output as f64,
        };
        let tap = |o: usize| {
            let at = if align_corners {
                o as f64 * scale
            } else {
                ((o as f64 + 0.5) * scale - 0.5).max(0.0)
            };
            let first = (at as usize).min(input - 1);
            // The last entry has no right neighbour.
            if first + 1 == input {
                return (first, vec![1.0]);
            }
            let weight = (at - first as f64).clamp(0.0, 1.0);
            (first, vec![1.0 - weight, weight])
        };
        Ok(Self { input, taps: (0..output).map(tap).collect() })
    }

    /// Creates nearest-neighbour interpolation to `output` positions, as in PyTorch: entry
    /// `floor(o in / out)`, computed in `f32`.
    pub(crate) fn nearest(input: usize, output: usize, what: &str) -> Result<Self> {
        if output == 0 {
            bail!("{what}: output size = 0, expected at least 1");
        }
        let scale = input as f32 / output as f32;
        let tap = |o: usize| (((o as f32 * scale) as usize).min(input - 1), vec![1.0]);
        Ok(Self { input, taps: (0..output).map(tap).collect() })
    }

    /// The number of output positions.
    pub(crate) fn output(&self) -> usize {
        self.taps.len()
    }
}

#[cfg(any(test, feature = "cuda"))]
impl Taps {
    /// Returns the range of inputs of each output position.
    pub(crate) fn spans(&self) -> Vec<Range<usize>> {
        self.taps.iter().map(|(first, weights)| *first..first + weights.len()).collect()
    }

    /// Returns the map with the transposed matrix.
    pub(crate) fn transpose(&self) -> Self {
        let readers = readers(&self.spans(), self.input);
        let weights = |(at, outputs): (usize, Range<usize>)| {
            let weight = |o: usize| self.taps[o].1[at - self.taps[o].0];
            (outputs.start, outputs.map(weight).collect())
        };
        Self { input: self.output(), taps: readers.into_iter().enumerate().map(weights).collect() }
    }
}

/// Returns the range of spans that contain each of `input` entries; an empty range is `0..0`.
#[cfg(any(test, feature = "cuda"))]
fn readers(spans: &[Range<usize>], input: usize) -> Vec<Range<usize>> {
    let mut readers = vec![0..0; input];
    for (o, span) in spans.iter().enumerate() {
        for Range { start, end } in &mut readers[span.clone()] {
            if end == start {
                *start = o;
            }
            *end = o + 1;
        }
    }
    readers
}

/// The planes of `[N, C, L]` or `[N, C, H, W]` with spatial rank `D`, and the operation `A` along
/// both axes.
#[derive(Clone, Debug)]
pub(crate) struct Planes<A> {
    pub(crate) rows: A,
    pub(crate) columns: A,
}

impl Planes<Spans> {
    pub(crate) fn sliding<const D: usize>(
        x: &Tensor,
        size: &PoolSize<D>,
        what: &str,
    ) -> Result<Self> {
        let sizes = spatial::<D>(x, what)?;
        let axis = |d: usize| {
            Spans::sliding(
                sizes[d],
                [size.kernel[d], size.stride[d], size.padding[d]],
                size.ceil_mode,
                what,
            )
        };
        let rows = if D == 1 { Spans::single() } else { axis(0)? };
        Ok(Self { rows, columns: axis(D - 1)? })
    }

    pub(crate) fn adaptive<const D: usize>(
        x: &Tensor,
        output: [usize; D],
        what: &str,
    ) -> Result<Self> {
        let sizes = spatial::<D>(x, what)?;
        let rows =
            if D == 1 { Spans::single() } else { Spans::adaptive(sizes[0], output[0], what)? };
        Ok(Self { rows, columns: Spans::adaptive(sizes[D - 1], output[D - 1], what)? })
    }

    pub(crate) fn means(&self, count_padding: bool) -> Planes<Taps> {
        Planes { rows: self.rows.means(count_padding), columns: self.columns.means(count_padding) }
    }
}

/// Returns the shape of the result: the input's with its last axes replaced.
pub(crate) fn output_shape(x: &Tensor, rows: usize, columns: usize) -> Vec<usize> {
    let mut shape = x.dims().to_vec();
    let rank = shape.len();
    if rank == 4 {
        shape[2] = rows;
    }
    shape[rank - 1] = columns;
    shape
}

/// Returns the spatial sizes of a tensor of rank `D + 2`, none of them 0.
pub(crate) fn spatial<const D: usize>(x: &Tensor, what: &str) -> Result<[usize; D]> {
    const { assert!(D == 1 || D == 2, "one or two spatial axes") };
    if x.rank() != D + 2 {
        let expected = if D == 1 { "[N, C, L]" } else { "[N, C, H, W]" };
        bail!("{what}: input of shape {:?}, expected {expected}", x.shape());
    }
    if x.elem_count() == 0 {
        bail!("{what}: input of shape {:?} is empty", x.shape());
    }
    let mut sizes = [0; D];
    sizes.copy_from_slice(&x.dims()[2..]);
    if u32::try_from(sizes.iter().product::<usize>()).is_err() {
        bail!("{what}: input of shape {:?}: a plane has more than 2^32 - 1 entries", x.shape());
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(taps: &Taps) {
        let dense = |taps: &Taps| {
            let mut rows = vec![vec![0.0; taps.input]; taps.output()];
            for (row, (first, weights)) in rows.iter_mut().zip(&taps.taps) {
                row[*first..first + weights.len()].copy_from_slice(weights);
            }
            rows
        };
        let (map, transposed) = (dense(taps), dense(&taps.transpose()));
        assert_eq!((transposed.len(), transposed[0].len()), (taps.input, taps.output()));
        for (o, row) in map.iter().enumerate() {
            for (i, weight) in row.iter().enumerate() {
                assert_eq!(transposed[i][o], *weight, "{taps:?}");
            }
        }
    }

    #[test]
    fn readers_and_transposes_agree_with_the_definition() -> Result<()> {
        let mut all = Vec::new();
        for input in 1..8 {
            for kernel in 1..5 {
                for stride in 1..4 {
                    for padding in 0..=kernel / 2 {
                        for ceil in [false, true] {
                            all.extend(Spans::sliding(
                                input,
                                [kernel, stride, padding],
                                ceil,
                                "test",
                            ));
                        }
                    }
                }
            }
            for output in 1..10 {
                all.push(Spans::adaptive(input, output, "test")?);
                for align in [false, true] {
                    check(&Taps::linear(input, output, align, "test")?);
                }
            }
        }
        for spans in all {
            for (i, readers) in spans.readers().into_iter().enumerate() {
                for (o, span) in spans.spans.iter().enumerate() {
                    assert_eq!(readers.contains(&o), span.contains(&i), "{spans:?} {i}");
                }
            }
            check(&spans.means(true));
        }
        Ok(())
    }
}
