use serde::{Deserialize, Serialize};

/// Mean and quantiles of numbers, one per image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many there are, at least 1.
    pub count: usize,
    /// Their mean: every image weighs the same, whatever its size.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// A quarter is below.
    pub lower_quartile: f64,
    /// Half are below.
    pub median: f64,
    /// Three quarters are below.
    pub upper_quartile: f64,
    /// The largest.
    pub max: f64,
}

impl Quantiles {
    /// Those of finite numbers, `None` for none: at position `q (count - 1)` of the sorted numbers,
    /// interpolated linearly, as numpy and PyTorch have it.
    ///
    /// ```
    /// use mbls_seg::metric::Quantiles;
    ///
    /// let quantiles = Quantiles::of(&[4.0, 1.0, 2.0]).expect("three numbers");
    /// assert_eq!((quantiles.lower_quartile, quantiles.median, quantiles.upper_quartile), (1.5, 2.0, 3.0));
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
            // Of the sorted numbers, so that their order is not part of it.
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            min,
            lower_quartile: at(0.25),
            median: at(0.5),
            upper_quartile: at(0.75),
            max,
        })
    }
}
