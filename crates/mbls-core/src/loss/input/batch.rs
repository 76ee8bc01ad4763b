use crate::loss::host::from_host;
use crate::loss::mask;
use crate::loss::targets::{self, IGNORED};
use crate::{Error, Result};
use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// The logits and labels of a batch, and the reduction of row values to one value. Every loss
/// handles shapes, ignored rows, class weights and the reduction through this type alone.
///
/// A row is one position of the labels. Its weight, in every term of every loss, is the class
/// weight of its label, or 1 without class weights: with v the values of a loss's rows,
/// [`reduce`](Self::reduce) computes `sum_n w_n v_n / sum_n w_n`, or what the [`Reduction`]
/// specifies.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mbls_core::loss::LogitBatch;
///
/// // One image of 2 x 2 pixels, three classes; one pixel is not labelled.
/// let logits = Tensor::zeros((1, 3, 2, 2), DType::F32, &Device::Cpu)?;
/// let labels = Tensor::new(&[[[0u32, 2], [255, 1]]], &Device::Cpu)?;
/// let batch = LogitBatch::new(&logits, &labels, Some(255))?;
/// assert_eq!((batch.rows(), batch.classes()), (3, 3));
/// assert_eq!(batch.labels()?.to_vec1::<u32>()?, [0, 2, 1]);
/// assert_eq!(batch.logits()?.dims(), [3, 3]);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogitBatch {
    source: Tensor,
    /// One per position of the labels; [`IGNORED`] for an ignored row.
    targets: Arc<[u32]>,
    /// The labels' shape.
    shape: Vec<usize>,
    labels: OnceLock<Tensor>,
    rows: usize,
    classes: usize,
    class_weights: Option<Arc<[f64]>>,
    reduction: Reduction,
    logits: OnceLock<Tensor>,
    composed: bool,
}

/// The reduction of row values to the value of a batch; w is the class weight of a row's label, 1
/// without class weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// `sum_n w_n v_n / sum_n w_n`, a scalar: the convention of PyTorch's cross-entropy.
    #[default]
    Mean,
    /// `sum_n w_n v_n`, a scalar.
    Sum,
    /// `w_n v_n` in the shape of the labels, 0 at ignored positions.
    None,
}

impl LogitBatch {
    /// Validates a batch. Rows labelled `ignore`, any integer, are ignored; `Some(-100)` is
    /// PyTorch's default.
    ///
    /// The logits are not copied: [`logits`](Self::logits) changes their layout when it is first
    /// called. The labels are read on the host; if they are on the CPU already, there is no device
    /// synchronisation.
    ///
    /// # Shapes
    ///
    /// `logits` `[N, C, d1, ...]` in f32, f64, f16 or bf16, with at least two classes; `labels`
    /// `[N, d1, ...]` in an integer type, on the device of the logits or on the CPU. A row is
    /// one position of the labels, in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::ElementType`] for other inputs, [`Error::Label`] for a label
    /// that is neither a class nor `ignore`, [`Error::AllIgnored`] if no row is left.
    pub fn new(logits: &Tensor, labels: &Tensor, ignore: Option<i64>) -> Result<Self> {
        let (dims, found) = (logits.dims(), labels.dims());
        if dims.len() < 2 || dims[1] < 2 {
            return Err(Error::Shape {
                what: "logits",
                expected: "[N, C, ...] with at least two classes".into(),
                found: format!("{dims:?}"),
            });
        }
        let classes = dims[1];
        let shape = [&dims[..1], &dims[2..]].concat();
        if found != shape {
            return Err(Error::Shape {
                what: "labels",
                expected: format!("{shape:?} for logits of shape {dims:?}"),
                found: format!("{found:?}"),
            });
        }
        if !matches!(logits.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64) {
            return Err(element_type("logits", "f32, f64, f16 or bf16", logits.dtype()));
        }

        let (targets, rows) = targets::read(labels, classes, ignore)?;
        if rows == 0 {
            return Err(Error::AllIgnored { rows: targets.len() });
        }
        Ok(Self {
            source: logits.clone(),
            targets,
            shape,
            labels: OnceLock::new(),
            rows,
            classes,
            class_weights: None,
            reduction: Reduction::default(),
            logits: OnceLock::new(),
            composed: false,
        })
    }

    /// Returns this batch with rows weighted by the class of their label; one weight per class,
    /// each finite and 0 or greater.
    ///
    /// A label's weight applies to its row in every term: the uniform part of label smoothing, too,
    /// is weighted by the row's label, whereas PyTorch weights each of its classes.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of weights, [`Error::Setting`] for invalid weights and
    /// if the weights of all rows that are not ignored are 0.
    pub fn with_class_weights(mut self, weights: &[f64]) -> Result<Self> {
        if weights.len() != self.classes {
            return Err(Error::Shape {
                what: "class weights",
                expected: format!("[{}], one per class", self.classes),
                found: format!("[{}]", weights.len()),
            });
        }
        if let Some(wrong) = weights.iter().find(|w| !(0.0..=f64::MAX).contains(*w)) {
            return Err(weight_error(*wrong, "a finite number, 0 or greater"));
        }
        self.class_weights = Some(weights.into());
        let total: f64 = self.row_weights().into_iter().flatten().sum();
        if total == 0.0 || total.is_infinite() {
            return Err(weight_error(
                total,
                "a positive, finite sum over the rows that are not ignored",
            ));
        }
        Ok(self)
    }

    /// Returns this batch with another reduction.
    #[must_use]
    pub fn with_reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Returns this batch with losses computed step by step in tensor operations: the reference for
    /// the fused kernels, which otherwise compute cross-entropy, label smoothing, the focal,
    /// margin, ACLS and class-adaptive losses in one pass on the CPU, and all but the last two on
    /// CUDA devices.
    #[must_use]
    pub fn composed(mut self) -> Self {
        self.composed = true;
        self
    }

    /// Whether losses are computed in tensor operations.
    pub(in crate::loss) fn is_composed(&self) -> bool {
        self.composed
    }

    /// Returns the logits of the rows that are not ignored, `[rows, classes]` in f32 or f64,
    /// computed at the first call.
    ///
    /// Logits in half precision are converted to f32, so that losses accumulate in it; their
    /// gradient is in half precision.
    ///
    /// # Errors
    ///
    /// Returns the errors of candle.
    pub fn logits(&self) -> Result<&Tensor> {
        if let Some(logits) = self.logits.get() {
            return Ok(logits);
        }
        let mut logits = match self.shape.len() {
            1 => self.source().clone(),
            _ => self
                .source()
                .flatten_from(2)?
                .transpose(1, 2)?
                .reshape((self.targets.len(), self.classes))?,
        };
        if let Some(kept) = self.kept()? {
            logits = logits.contiguous()?.index_select(&kept, 0)?;
        }
        let element = if self.source.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let logits = logits.to_dtype(element)?.contiguous()?;
        Ok(self.logits.get_or_init(|| logits))
    }

    /// Returns the labels of the rows that are not ignored, `[rows]` in u32, on the device of the
    /// logits, computed at the first call.
    ///
    /// # Errors
    ///
    /// Returns the errors of candle.
    pub fn labels(&self) -> Result<&Tensor> {
        if let Some(labels) = self.labels.get() {
            return Ok(labels);
        }
        let kept: Vec<u32> = self.kept_targets().copied().collect();
        let labels = Tensor::from_vec(kept, self.rows, self.source.device())?;
        Ok(self.labels.get_or_init(|| labels))
    }

    /// The number of rows that are not ignored, at least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of classes, at least 2.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The divisor of the mean over the batch: the number of rows that are not ignored, or with
    /// class weights the sum of their weights.
    pub fn total_weight(&self) -> f64 {
        self.row_weights().map_or(self.rows as f64, |weights| weights.iter().sum())
    }

    /// The reduction of row values to the value of the batch.
    pub fn reduction(&self) -> Reduction {
        self.reduction
    }

    /// Reduces one value for each row that is not ignored, `[rows]`, to the value of the batch. The
    /// result is differentiable.
    ///
    /// # Shapes
    ///
    /// A scalar, or the shape of the labels for [`Reduction::None`].
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for values of another shape; [`Error::Value`] on the CPU if the result is
    /// not finite because of a masked class, one whose logit is minus infinity; or an error of
    /// candle.
    pub fn reduce(&self, per_row: &Tensor) -> Result<Tensor> {
        if per_row.dims() != [self.rows] {
            return Err(Error::Shape {
                what: "values of rows",
                expected: format!("[{}], one per row that is not ignored", self.rows),
                found: format!("{:?}", per_row.dims()),
            });
        }
        let weights = self.row_weights();
        let weighted = match &weights {
            Some(weights) => (per_row * from_host(weights, self.rows, per_row)?)?,
            None => per_row.clone(),
        };
        let reduced = match self.reduction {
            Reduction::Mean => {
                let total = weights.map_or(self.rows as f64, |weights| weights.iter().sum());
                weighted.sum_all()?.affine(1.0 / total, 0.0)?
            }
            Reduction::Sum => weighted.sum_all()?,
            Reduction::None => match self.kept()? {
                Some(kept) => {
                    let all =
                        Tensor::zeros(self.targets.len(), weighted.dtype(), weighted.device())?;
                    all.index_add(&kept, &weighted, 0)?.reshape(self.shape.as_slice())?
                }
                None => weighted.reshape(self.shape.as_slice())?,
            },
        };
        mask::check(&reduced, || self.logits(), self.targets())?;
        Ok(reduced)
    }

    /// Reduces a statistic of all rows, a scalar, to the value of the batch: itself for the mean,
    /// `rows` times it for the sum.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for [`Reduction::None`] and with class weights, which such a statistic
    /// does not support.
    pub(in crate::loss) fn reduce_statistic(&self, statistic: &Tensor) -> Result<Tensor> {
        if let Some(weights) = self.class_weights() {
            return Err(Error::Setting {
                name: "class weights",
                value: format!("{weights:?}"),
                expected: "none: the loss is a statistic of the whole batch",
            });
        }
        mask::check(statistic, || self.logits(), self.targets())?;
        match self.reduction {
            Reduction::Mean => Ok(statistic.clone()),
            Reduction::Sum => Ok(statistic.affine(self.rows as f64, 0.0)?),
            Reduction::None => Err(Error::Setting {
                name: "reduction",
                value: "none".into(),
                expected: "mean or sum: the loss is a statistic of the whole batch",
            }),
        }
    }

    /// The original logits, `[N, C, d1, ...]`.
    pub(crate) fn source(&self) -> &Tensor {
        &self.source
    }

    /// One label per position in row-major order of the labels; [`IGNORED`] for an ignored row.
    pub(crate) fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// The labels of the rows that are not ignored.
    pub(in crate::loss) fn kept_targets(&self) -> impl Iterator<Item = &u32> {
        self.targets.iter().filter(|target| **target != IGNORED)
    }

    /// The labels' shape, `[N, d1, ...]`.
    pub(in crate::loss) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The targets, for an operation that outlives the batch.
    pub(in crate::loss) fn shared_targets(&self) -> Arc<[u32]> {
        self.targets.clone()
    }

    /// The weights of the classes.
    pub(crate) fn class_weights(&self) -> Option<&[f64]> {
        self.class_weights.as_deref()
    }

    /// The weights of the rows that are not ignored; `None` without class weights.
    pub(in crate::loss) fn row_weights(&self) -> Option<Vec<f64>> {
        let weights = self.class_weights()?;
        Some(self.kept_targets().map(|&target| weights[target as usize]).collect())
    }

    /// The positions of the rows that are not ignored, on the device of the logits; `None` if no
    /// row is ignored.
    fn kept(&self) -> Result<Option<Tensor>> {
        if self.rows == self.targets.len() {
            return Ok(None);
        }
        let kept: Vec<i64> =
            (0..).zip(self.targets()).filter(|(_, t)| **t != IGNORED).map(|(i, _)| i).collect();
        Ok(Some(Tensor::from_vec(kept, self.rows, self.source.device())?))
    }
}

fn element_type(what: &'static str, expected: &'static str, found: DType) -> Error {
    Error::ElementType { what, expected, found: found.as_str() }
}

fn weight_error(value: f64, expected: &'static str) -> Error {
    Error::Setting { name: "class weights", value: value.to_string(), expected }
}
