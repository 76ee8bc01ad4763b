use serde::{Deserialize, Serialize};

/// The overlap of the predicted and labelled regions of each class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Overlap {
    /// The classes, by index.
    pub classes: Vec<ClassOverlap>,
}

/// The numbers of pixels of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClassOverlap {
    /// Number of pixels with this label.
    pub labelled: u64,
    /// Number of pixels that were predicted as this class.
    pub predicted: u64,
    /// Number of pixels that are both.
    pub intersection: u64,
}

/// Whether means over classes include class 0, the background of most segmentation data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    /// All classes.
    Included,
    /// The classes from 1 on, as in published segmentation scores of MbLS.
    Excluded,
}

/// The treatment of classes with a score of 0 / 0 in means over classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AbsentClasses {
    /// Excluded: the mean is over the classes that have a score.
    #[default]
    Omitted,
    /// A score of 0, as in published code, which adds 1e-10 to every divisor.
    Reference,
}

/// The constant that published code adds to divisors.
const REFERENCE_EPSILON: f64 = 1e-10;

impl ClassOverlap {
    /// Returns the number of pixels that have this label or were predicted as this class.
    pub fn union(&self) -> u64 {
        self.labelled + self.predicted - self.intersection
    }

    /// Returns the intersection over union (Jaccard index): `intersection / union`; `None` if no
    /// pixel is labelled or predicted as the class.
    pub fn iou(&self) -> Option<f64> {
        ratio(self.iou_terms(), 0.0)
    }

    /// Returns the Dice coefficient (F1): `2 intersection / (labelled + predicted)`; `None` if no
    /// pixel is labelled or predicted as the class.
    pub fn dice(&self) -> Option<f64> {
        ratio(self.dice_terms(), 0.0)
    }

    /// Returns the recall, called class accuracy in segmentation: `intersection / labelled`; `None`
    /// if no pixel has the label.
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
    /// Creates the overlap of `classes` classes from the number of pixels for each label and
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

    /// Returns the fraction of all pixels that are predicted correctly, including class 0.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        let sum = |of: fn(&ClassOverlap) -> u64| self.classes.iter().map(of).sum();
        ratio((sum(|class| class.intersection), sum(|class| class.labelled)), 0.0)
    }

    /// Returns the mean of [`ClassOverlap::iou`] over the classes (mIoU); `None` if no class has a
    /// score.
    pub fn mean_iou(&self, background: Background, absent: AbsentClasses) -> Option<f64> {
        self.mean(background, absent, ClassOverlap::iou_terms)
    }

    /// Returns the mean of [`ClassOverlap::dice`] over the classes; `None` if no class has a score.
    pub fn mean_dice(&self, background: Background, absent: AbsentClasses) -> Option<f64> {
        self.mean(background, absent, ClassOverlap::dice_terms)
    }

    /// Returns the mean of [`ClassOverlap::recall`] over the classes (mean class accuracy); `None`
    /// if no class has a score.
    pub fn mean_recall(&self, background: Background, absent: AbsentClasses) -> Option<f64> {
        self.mean(background, absent, ClassOverlap::recall_terms)
    }

    /// Returns the sum of the intersections of all classes divided by the sum of their unions,
    /// `sum_k intersection_k / sum_k union_k`; `None` if all unions are empty.
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
