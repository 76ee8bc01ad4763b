use clap::ValueEnum;
use mbls_core::calibration::{
    CalibratorSpec, HistogramBins, HistogramEdges, MulticlassReduction, Odir, PlattTargets,
};

/// The methods of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodName {
    Temperature,
    Vector,
    Matrix,
    Dirichlet,
    Beta,
    Platt,
    Isotonic,
    Histogram,
    /// All of them, compared by cross-validation
    All,
}

/// The penalty of maps with a matrix, whose parameters grow with the square of the classes.
const ODIR: Odir = Odir { off_diagonal: 0.01, intercept: 0.01 };

impl MethodName {
    /// Returns the settings of a method; `None` for all methods.
    pub(crate) fn spec(self, classes: usize, bins: usize) -> Option<CalibratorSpec> {
        let reduction =
            if classes == 2 { MulticlassReduction::Binary } else { MulticlassReduction::OneVsRest };
        Some(match self {
            Self::Temperature => CalibratorSpec::Temperature,
            Self::Vector => CalibratorSpec::Vector,
            Self::Matrix => CalibratorSpec::Matrix { odir: ODIR },
            Self::Dirichlet => CalibratorSpec::Dirichlet { odir: ODIR },
            Self::Beta => CalibratorSpec::Beta { reduction },
            Self::Platt => CalibratorSpec::Platt { reduction, targets: PlattTargets::default() },
            Self::Isotonic => CalibratorSpec::Isotonic { reduction },
            Self::Histogram => {
                let bins = HistogramBins { bins, edges: HistogramEdges::EqualMass };
                CalibratorSpec::Histogram { reduction, bins }
            }
            Self::All => return None,
        })
    }

    /// Returns every method, temperature scaling first.
    pub(crate) fn every(classes: usize, bins: usize) -> Vec<CalibratorSpec> {
        Self::value_variants().iter().filter_map(|method| method.spec(classes, bins)).collect()
    }
}
