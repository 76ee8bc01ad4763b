use serde::{Deserialize, Serialize};

/// Mean and quantiles of one number per image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Number of values, at least 1.
    pub count: usize,
    /// Mean of the values. Every image has the same weight, whatever its size.
    pub mean: f64,
    /// Minimum.
    pub min: f64,
    /// 0.25 quantile.
    pub lower_quartile: f64,
    /// 0.5 quantile.
    pub median: f64,
    /// 0.75 quantile.
    pub upper_quartile: f64,
    /// Maximum.
    pub max: f64,
}

impl Quantiles {
    /// Computes the mean and quantiles of finite numbers; `None` if there are none. A quantile is
    /// at position `q (count - 1)` of the sorted numbers, interpolated linearly, as in numpy and
    /// PyTorch.
    ///
    /// ```
    /// use mbls_seg::metric::Quantiles;
    ///
    /// let quantiles = Quantiles::of(&[4.0, 1.0, 2.0]).expect("three numbers");
    /// assert_eq!(
    ///     (quantiles.lower_quartile, quantiles.median, quantiles.upper_quartile),
    ///     (1.5, 2.0, 3.0)
    /// );
    /// assert_eq!(Quantiles::of(&[]), None);
    /// ```
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let at = |q: f64| {
            let position = q * (sorted.len() - 1) as f64;
            let (lower, upper) =
                (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
            lower + (upper - lower) * position.fract()
        };
        Some(Self {
            count: sorted.len(),
            // Summed in sorted order, so the result does not depend on the order of the values.
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            min,
            lower_quartile: at(0.25),
            median: at(0.5),
            upper_quartile: at(0.75),
            max,
        })
    }
}
