use super::edges::{Edges, check_bins};
use crate::Result;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The rule that assigns probabilities to bins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Binning {
    /// Bins `(lower, upper]` of equal width with the f32 edges of `torch.linspace(0, 1, bins + 1)`;
    /// 0 belongs to the first bin.
    #[default]
    EqualWidth,
    /// Bins of equal width as computed by published numpy code: `p` belongs to bin `ceil(bins p -
    /// 1)`, in f64, and 0 belongs to the first bin. Differs from [`EqualWidth`](Self::EqualWidth)
    /// only for probabilities within 1e-7 of an edge.
    EqualWidthCeil,
    /// Bins of equal mass (equally many probabilities), with the edges of
    /// [`AdaptiveEce`](crate::metric::AdaptiveEce) in its default convention: the lowest
    /// probability is the lower edge of the first bin and belongs to it.
    EqualMass,
}

impl fmt::Display for Binning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EqualWidth => "bins of equal width",
            Self::EqualWidthCeil => "bins of equal width by rounding up",
            Self::EqualMass => "bins of equal mass",
        })
    }
}

/// Bins of equal width on `[0, 1]`, in either convention.
pub(in crate::metric) enum EqualWidthBins {
    Linspace(Edges),
    Ceil { bins: usize },
}

impl EqualWidthBins {
    /// Returns the bins of [`Binning::EqualWidth`].
    pub(in crate::metric) fn linspace(bins: usize) -> Result<Self> {
        Ok(Self::Linspace(Edges::new(bins)?))
    }

    /// Returns the bins of [`Binning::EqualWidthCeil`].
    pub(in crate::metric) fn ceil(bins: usize) -> Result<Self> {
        Ok(Self::Ceil { bins: check_bins(bins)? })
    }

    pub(in crate::metric) fn bin(&self, probability: f64) -> usize {
        match self {
            Self::Linspace(edges) => edges.bin(probability),
            // Probability 0 leads to -1, which the cast saturates to 0.
            Self::Ceil { bins } => (*bins as f64 * probability - 1.0).ceil() as usize,
        }
    }

    /// Returns the lower and upper edge of each bin.
    pub(in crate::metric) fn intervals(&self) -> Vec<(f64, f64)> {
        match self {
            Self::Linspace(edges) => edges.intervals().collect(),
            Self::Ceil { bins } => (0..*bins)
                .map(|i| (i as f64 / *bins as f64, (i + 1) as f64 / *bins as f64))
                .collect(),
        }
    }
}
