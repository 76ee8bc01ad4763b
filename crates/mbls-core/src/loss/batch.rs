use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};

/// Logits and labels of the rows that count: the shape is flattened, ignored rows are out.
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
/// assert_eq!(batch.labels().to_vec1::<u32>()?, [0, 2, 1]);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogitBatch {
    logits: Tensor,
    labels: Tensor,
    rows: usize,
    classes: usize,
}

impl LogitBatch {
    /// Checks a batch and leaves out its rows labelled `ignore`.
    ///
    /// Logits in half precision become f32, so that losses accumulate in it; their gradient comes back in half. The labels
    /// are read on the host: where they lie on the CPU already, no device is waited for.
    ///
    /// # Shapes
    ///
    /// `logits` `[N, C, d1, ...]` in f32, f64, f16 or bf16, with at least two classes; `labels` `[N, d1, ...]` in an
    /// integer type, on the device of the logits or on the CPU. A row is one position of the labels, in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::ElementType`] for other inputs, [`Error::Label`] for a label that is neither a class
    /// nor `ignore`, [`Error::AllIgnored`] where no row is left.
    pub fn new(logits: &Tensor, labels: &Tensor, ignore: Option<u32>) -> Result<Self> {
        let (dims, found) = (logits.dims(), labels.dims());
        if dims.len() < 2 || dims[1] < 2 {
            return Err(Error::Shape {
                what: "logits",
                expected: "[N, C, ...] with at least two classes".into(),
                found: format!("{dims:?}"),
            });
        }
        let classes = dims[1];
        let expected = [&dims[..1], &dims[2..]].concat();
        if found != expected {
            return Err(Error::Shape {
                what: "labels",
                expected: format!("{expected:?} for logits of shape {dims:?}"),
                found: format!("{found:?}"),
            });
        }
        let element = match logits.dtype() {
            DType::F16 | DType::BF16 | DType::F32 => DType::F32,
            DType::F64 => DType::F64,
            other => return Err(element_type("logits", "f32, f64, f16 or bf16", other)),
        };

        let labels = host_labels(labels)?;
        let ignore = ignore.map(i64::from);
        let (mut rows, mut kept) = (Vec::new(), Vec::new());
        for (row, &label) in labels.iter().enumerate() {
            if Some(label) == ignore {
                continue;
            }
            match u32::try_from(label) {
                Ok(class) if (class as usize) < classes => {
                    rows.push(row as i64);
                    kept.push(class);
                }
                _ => return Err(Error::Label { label, row, classes }),
            }
        }
        if kept.is_empty() {
            return Err(Error::AllIgnored { rows: labels.len() });
        }

        let device = logits.device();
        let mut logits = if dims.len() > 2 {
            logits.flatten_from(2)?.transpose(1, 2)?.reshape((labels.len(), classes))?
        } else {
            logits.clone()
        };
        let count = kept.len();
        if count < labels.len() {
            logits = logits.contiguous()?.index_select(&Tensor::from_vec(rows, count, device)?, 0)?;
        }
        let logits = logits.to_dtype(element)?.contiguous()?;
        Ok(Self { logits, labels: Tensor::from_vec(kept, count, device)?, rows: count, classes })
    }

    /// The logits, `[rows, classes]` in f32 or f64.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// The labels, `[rows]` in u32, on the device of the logits.
    pub fn labels(&self) -> &Tensor {
        &self.labels
    }

    /// The number of rows that count, at least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of classes, at least 2.
    pub fn classes(&self) -> usize {
        self.classes
    }
}

fn host_labels(labels: &Tensor) -> Result<Vec<i64>> {
    if !labels.dtype().is_int() {
        return Err(element_type("labels", "an integer type", labels.dtype()));
    }
    Ok(labels.to_device(&Device::Cpu)?.flatten_all()?.to_dtype(DType::I64)?.to_vec1()?)
}

fn element_type(what: &'static str, expected: &'static str, found: DType) -> Error {
    Error::ElementType { what, expected, found: found.as_str() }
}
