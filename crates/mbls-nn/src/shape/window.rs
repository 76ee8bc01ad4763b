//! Geometry shared by convolution and pooling.

use candle_core::{Result, bail};

/// A window that slides over one spatial dimension.
///
/// Output position `o` reads the inputs `o * stride + k * dilation - padding` for `k` in
/// `0..kernel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Number of inputs per position.
    pub kernel: usize,
    /// Distance between consecutive positions.
    pub stride: usize,
    /// Number of inputs added at either end.
    pub padding: usize,
    /// Distance between consecutive inputs of a position.
    pub dilation: usize,
}

impl Window {
    /// Returns the number of positions over `input` entries:
    /// `(input + 2 padding - dilation (kernel - 1) - 1) / stride + 1`.
    ///
    /// # Errors
    ///
    /// Fails if `kernel`, `stride` or `dilation` is 0, the input is empty, or the window is larger
    /// than the padded input.
    pub fn output(&self, input: usize, what: &str) -> Result<usize> {
        let Self { kernel, stride, padding, dilation } = *self;
        for (field, value) in
            [("kernel", kernel), ("stride", stride), ("dilation", dilation), ("input size", input)]
        {
            if value == 0 {
                bail!("{what}: {field} = 0, expected at least 1");
            }
        }
        let padded = padding.checked_mul(2).and_then(|p| p.checked_add(input));
        let extent = (kernel - 1).checked_mul(dilation).and_then(|e| e.checked_add(1));
        match (padded, extent) {
            (Some(padded), Some(extent)) if extent <= padded => Ok((padded - extent) / stride + 1),
            _ => bail!(
                "{what}: a window of {kernel} with dilation {dilation} does not fit into {input} entries padded by {padding}"
            ),
        }
    }

    /// Returns the index into the padded input for every (output position, kernel offset),
    /// row-major.
    pub(crate) fn indices(&self, output: usize) -> Vec<u32> {
        (0..output)
            .flat_map(|o| {
                (0..self.kernel).map(move |k| (o * self.stride + k * self.dilation) as u32)
            })
            .collect()
    }

    /// Returns the range of outputs `low..high` for which kernel offset `k` reads the input itself
    /// rather than its padding.
    pub(crate) fn inside(&self, k: usize, input: usize, output: usize) -> (usize, usize) {
        let shift = k * self.dilation;
        let low = self.padding.saturating_sub(shift).div_ceil(self.stride).min(output);
        let high = match (input + self.padding).checked_sub(shift + 1) {
            Some(last) => (last / self.stride + 1).min(output),
            None => 0,
        };
        (low, high.max(low))
    }
}

/// Returns the sizes of a four-dimensional tensor `[N, C, H, W]`, none of them 0.
pub(crate) fn image_dims(
    x: &candle_core::Tensor,
    what: &str,
) -> Result<(usize, usize, usize, usize)> {
    let &[n, c, h, w] = x.dims() else {
        bail!("{what}: input of shape {:?}, expected [N, C, H, W]", x.shape());
    };
    if n == 0 || c == 0 || h == 0 || w == 0 {
        bail!("{what}: input of shape {:?} is empty", x.shape());
    }
    Ok((n, c, h, w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_agrees_with_the_definition() {
        for kernel in 1..4 {
            for stride in 1..4 {
                for padding in 0..4 {
                    for dilation in 1..3 {
                        for input in 1..8 {
                            let window = Window { kernel, stride, padding, dilation };
                            let Ok(output) = window.output(input, "test") else { continue };
                            for k in 0..kernel {
                                let (low, high) = window.inside(k, input, output);
                                for o in 0..output {
                                    let at =
                                        (o * stride + k * dilation) as isize - padding as isize;
                                    let inside = (0..input as isize).contains(&at);
                                    assert_eq!(
                                        inside,
                                        (low..high).contains(&o),
                                        "{window:?} k {k} o {o} of {input}"
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        let window = Window { kernel: 3, stride: 1, padding: 0, dilation: 2 };
        assert_eq!(window.output(5, "test").unwrap(), 1);
        for (window, input) in [
            (window, 4),
            (Window { stride: 0, ..window }, 9),
            (Window { kernel: 0, ..window }, 9),
            (Window { dilation: 0, ..window }, 9),
            (window, 0),
            (Window { dilation: usize::MAX, ..window }, 9),
            (Window { padding: usize::MAX, ..window }, 9),
        ] {
            assert!(window.output(input, "test").is_err(), "{window:?} on {input}");
        }
    }
}
