use crate::format;
use crate::report::{LossReport, SuiteReport, Summary};

/// What a column's numbers are printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A fraction, printed times 100.
    Percent,
    /// A whole number, printed with a comma every three digits.
    Count,
    /// As it is.
    Plain,
}

/// Which values of a column are the better ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The larger ones.
    Higher,
    /// The smaller ones.
    Lower,
    /// None: the number describes, it does not rank.
    Neither,
}

/// One metric as the tables print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The key in [`LossReport::metrics`](crate::LossReport::metrics).
    pub key: &'static str,
    /// The head of the column.
    pub title: &'static str,
    /// One sentence for the reader who does not know the metric.
    pub meaning: &'static str,
    /// The unit of the printed numbers.
    pub unit: Unit,
    /// Digits after the point.
    pub digits: usize,
    /// Which values are better.
    pub better: Direction,
    /// Whether the Markdown table has the column too.
    pub compact: bool,
}

/// The expected calibration error: the column that losses are judged by.
pub(crate) const ECE: Column = Column {
    key: "ece",
    title: "ECE",
    meaning: "Expected calibration error: the gap between confidence and accuracy, averaged over equally wide bins of the \
              confidence by their share of samples.",
    unit: Unit::Percent,
    digits: 2,
    better: Direction::Lower,
    compact: true,
};

/// The columns of the tables, in their order. A table leaves out those of which no loss of its suite has an entry.
pub const COLUMNS: [Column; 12] = [
    Column {
        key: "miou",
        title: "mIoU",
        meaning: "Intersection over union of predicted and true pixels, averaged over the classes.",
        unit: Unit::Percent,
        digits: 2,
        better: Direction::Higher,
        compact: true,
    },
    Column {
        key: "miou_published",
        title: "mIoU without class 0",
        meaning: "The same without class 0, which published numbers take for the background; a class that is nowhere counts as 0.",
        unit: Unit::Percent,
        digits: 2,
        better: Direction::Higher,
        compact: false,
    },
    Column {
        key: "accuracy",
        title: "Accuracy",
        meaning: "Share of samples whose most probable class is the right one.",
        unit: Unit::Percent,
        digits: 2,
        better: Direction::Higher,
        compact: true,
    },
    Column {
        key: "nll",
        title: "NLL",
        meaning: "Negative log-likelihood: mean of -ln p(right class).",
        unit: Unit::Plain,
        digits: 4,
        better: Direction::Lower,
        compact: true,
    },
    Column {
        key: "brier",
        title: "Brier",
        meaning: "Brier score: mean squared distance between the probabilities and the one-hot label, from 0 to 2.",
        unit: Unit::Plain,
        digits: 4,
        better: Direction::Lower,
        compact: false,
    },
    ECE,
    Column {
        key: "ece_per_batch",
        title: "ECE per batch",
        meaning: "ECE as published for segmentation: of each batch of pictures by itself, without class 0, averaged over the batches by \
                  their pixels. It depends on the batch size.",
        unit: Unit::Percent,
        digits: 2,
        better: Direction::Lower,
        compact: true,
    },
    Column {
        key: "aece",
        title: "AECE",
        meaning: "Adaptive ECE: the same gap over bins that hold equally many samples.",
        unit: Unit::Percent,
        digits: 2,
        better: Direction::Lower,
        compact: true,
    },
    Column {
        key: "cece",
        title: "CECE",
        meaning: "Classwise ECE: the same gap for the probability of every class, averaged over the classes.",
        unit: Unit::Percent,
        digits: 3,
        better: Direction::Lower,
        compact: true,
    },
    Column {
        key: "mce",
        title: "MCE",
        meaning: "Maximum calibration error: the largest gap of a bin, which is often a bin of few samples.",
        unit: Unit::Percent,
        digits: 1,
        better: Direction::Lower,
        compact: true,
    },
    Column {
        key: "temperature",
        title: "T",
        meaning: "Temperature that scaling divides the logits by: above 1 it lowers an overconfident model's confidence, \
                  below 1 it raises an underconfident model's.",
        unit: Unit::Plain,
        digits: 2,
        better: Direction::Neither,
        compact: true,
    },
    Column {
        key: "ece_scaled",
        title: "ECE after scaling",
        meaning: "ECE after temperature scaling.",
        unit: Unit::Percent,
        digits: 2,
        better: Direction::Lower,
        compact: true,
    },
];

/// The columns of which a loss has an entry.
pub(crate) fn columns_of<'a>(losses: impl Iterator<Item = &'a LossReport> + Clone) -> Vec<&'static Column> {
    COLUMNS.iter().filter(|column| losses.clone().any(|loss| column.of(loss).is_some())).collect()
}

impl Column {
    /// A value in the column's unit and digits; "–" where it is not finite.
    pub(crate) fn print(&self, value: f64) -> String {
        format::number(self.scale(value), self.digits)
    }

    /// A difference of two values, with its sign.
    pub(crate) fn print_difference(&self, difference: f64) -> String {
        format::signed(self.scale(difference), self.digits)
    }

    /// The unit and what is better, for the head of the column: `%, lower is better`.
    pub(crate) fn legend(&self) -> String {
        let unit = match self.unit {
            Unit::Percent => "%",
            Unit::Count | Unit::Plain => "",
        };
        let better = match self.better {
            Direction::Higher => "higher is better",
            Direction::Lower => "lower is better",
            Direction::Neither => "",
        };
        let parts: Vec<&str> = [unit, better].into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }

    /// The loss's entry in this column.
    pub(crate) fn of<'a>(&self, loss: &'a LossReport) -> Option<&'a Summary> {
        loss.metrics.get(self.key)
    }

    /// The best mean of the suite as it is printed, so that losses equal in all printed digits are all best. `None` where
    /// nothing is better than anything: no direction, or fewer than two numbers.
    pub(crate) fn best(&self, suite: &SuiteReport) -> Option<String> {
        let means: Vec<f64> =
            suite.losses.iter().filter_map(|loss| Some(self.of(loss)?.mean)).filter(|mean| mean.is_finite()).collect();
        let best = match self.better {
            Direction::Higher => means.iter().copied().reduce(f64::max),
            Direction::Lower => means.iter().copied().reduce(f64::min),
            Direction::Neither => None,
        };
        best.filter(|_| means.len() > 1).map(|best| self.print(best))
    }

    fn scale(&self, value: f64) -> f64 {
        match self.unit {
            Unit::Percent => value * 100.0,
            Unit::Count | Unit::Plain => value,
        }
    }
}
