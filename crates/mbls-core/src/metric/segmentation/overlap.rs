use serde::{Deserialize, Serialize};

/// The regions of each class as predicted and as labelled, and how far they overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Overlap {
    /// The classes, by index.
    pub classes: Vec<ClassOverlap>,
}

/// Pixels of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClassOverlap {
    /// Pixels of this label.
    pub labelled: u64,
    /// Pixels that were predicted as this class.
    pub predicted: u64,
    /// Pixels that are both.
    pub intersection: u64,
}

/// Whether class 0, the background of most segmentation data sets, is in a mean over classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    /// All classes.
    Included,
    /// The classes from 1 on, as published segmentation scores of MbLS are.
    Excluded,
}

/// What a class adds to a mean where its score is 0 / 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AbsentClasses {
    /// Nothing: the mean is over the classes that have a score.
    #[default]
    Omitted,
    /// A score of 0, as in published code, which adds 1e-10 to every divisor.
    Reference,
}

/// What published code adds to divisors.
const REFERENCE_EPSILON: f64 = 1e-10;

impl ClassOverlap {
    /// Pixels that are of this label, or predicted as this class.
    pub fn union(&self) -> u64 {
        self.labelled + self.predicted - self.intersection
    }

    /// Intersection over union (the Jaccard index): `intersection / union`; `None` where the class
    /// is nowhere.
    pub fn iou(&self) -> Option<f64> {
        ratio(self.iou_terms(), 0.0)
    }

    /// The Dice coefficient, or F1: `2 intersection / (labelled + predicted)`; `None` where the
    /// class is nowhere.
    pub fn dice(&self) -> Option<f64> {
        ratio(self.dice_terms(), 0.0)
    }

    /// Recall, which segmentation calls class accuracy: `intersection / labelled`; `None` where no
    /// pixel has the label.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.recall_terms(), 0.0)
    }

    fn iou_terms(&self) -> (u64, u64) {
        (self.intersection, self.union())
    }

    fn dice_terms(&self) -> (u64, u64) {
        (2 * self.intersection, self.labelled + self.predicted)
    }

    fn recall_terms(&self) -> (u64, u64) {
        (self.intersection, self.labelled)
    }
}

fn ratio((part, whole): (u64, u64), epsilon: f64) -> Option<f64> {
    let divisor = whole as f64 + epsilon;
    (divisor > 0.0).then(|| part as f64 / divisor)
}

impl Overlap {
    /// That of `classes` classes, from the number of pixels of each pair of a label and a
    /// prediction.
    pub(in crate::metric) fn of_counts(
        classes: usize,
        count: impl Fn(usize, usize) -> u64,
    ) -> Self {
        let of = |class: usize| ClassOverlap {
            labelled: (0..classes).map(|predicted| count(class, predicted)).sum(),
            predicted: (0..classes).map(|label| count(label, class)).sum(),
            intersection: count(class, class),
        };
        Self { classes: (0..classes).map(of).collect() }
    }

    /// The share of all pixels that are predicted right, those of class 0 too.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        let sum = |of: fn(&ClassOverlap) -> u64| self.classes.iter().map(of).sum();
        ratio((sum(|class| class.intersection), sum(|class| class.labelled)), 0.0)
    }

    /// The mean of [`ClassOverlap::iou`] over the classes (mIoU); `None` where none has a score.
    pub fn mean_iou(&self, background: Background, absent: AbsentClasses) -> Option<f64> {
        self.mean(background, absent, ClassOverlap::iou_terms)
    }

    /// The mean of [`ClassOverlap::dice`] over the classes; `None` where none has a score.
    pub fn mean_dice(&self, background: Background, absent: AbsentClasses) -> Option<f64> {
        self.mean(background, absent, ClassOverlap::dice_terms)
    }

    /// The mean of [`ClassOverlap::recall`] over the classes (mean class accuracy); `None` where
    /// none has a score.
    pub fn mean_recall(&self, background: Background, absent: AbsentClasses) -> Option<f64> {
        self.mean(background, absent, ClassOverlap::recall_terms)
    }

    /// The intersections of all classes over their unions: `sum_k intersection_k / sum_k union_k`;
    /// `None` where all are empty.
    ///
    /// Published code logs it per batch.
    pub fn pooled_iou(&self, background: Background) -> Option<f64> {
        let terms = self.counted(background).map(ClassOverlap::iou_terms);
        ratio(terms.fold((0, 0), |sum, terms| (sum.0 + terms.0, sum.1 + terms.1)), 0.0)
    }

    fn counted(&self, background: Background) -> impl Iterator<Item = &ClassOverlap> {
        self.classes.iter().skip(match background {
            Background::Included => 0,
            Background::Excluded => 1,
        })
    }

    fn mean(
        &self,
        background: Background,
        absent: AbsentClasses,
        terms: fn(&ClassOverlap) -> (u64, u64),
    ) -> Option<f64> {
        let epsilon = match absent {
            AbsentClasses::Omitted => 0.0,
            AbsentClasses::Reference => REFERENCE_EPSILON,
        };
        let scores: Vec<f64> =
            self.counted(background).filter_map(|class| ratio(terms(class), epsilon)).collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }
}
