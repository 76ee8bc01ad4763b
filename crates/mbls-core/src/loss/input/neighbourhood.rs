use crate::loss::LogitBatch;
use crate::loss::targets::IGNORED;
use crate::{Error, Result};
use candle_core::Tensor;

/// The labels around each row that is not ignored: a window of three positions along every
/// dimension, with the row in its centre.
///
/// A position outside of the image is replaced by the nearest one inside (replication padding); an
/// ignored one counts as the row itself.
pub(in crate::loss) struct Neighbourhood {
    /// `[rows, window]` in u32, on the device of the logits.
    pub(in crate::loss) labels: Tensor,
    /// The squared distance of each position of the window from its centre.
    pub(in crate::loss) squared_distances: Vec<usize>,
}

impl Neighbourhood {
    /// Collects the neighbourhoods of a batch of images or volumes.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for logits with no spatial dimension or more than three, or an error of
    /// candle.
    pub(in crate::loss) fn new(batch: &LogitBatch) -> Result<Self> {
        let dims = &batch.shape()[1..];
        if !(1..=3).contains(&dims.len()) {
            return Err(Error::Shape {
                what: "logits",
                expected: "[N, C, d1, ...] with one to three spatial dimensions, since the loss uses neighbours"
                    .into(),
                found: format!("{:?}", batch.source().dims()),
            });
        }
        let offsets = offsets(dims.len());
        let targets = batch.targets();
        let mut labels = Vec::with_capacity(batch.rows() * offsets.len());
        let size: usize = dims.iter().product();
        let mut position = vec![0; dims.len()];
        for (row, &label) in targets.iter().enumerate().filter(|(_, label)| **label != IGNORED) {
            let (image, mut rest) = (row / size * size, row % size);
            for (coordinate, dim) in position.iter_mut().zip(dims).rev() {
                (*coordinate, rest) = (rest % dim, rest / dim);
            }
            labels.extend(offsets.iter().map(|offset| {
                let coordinates = position.iter().zip(offset).zip(dims);
                let inside =
                    coordinates.fold(0, |at, ((p, o), dim)| at * dim + (p + o).clamp(1, *dim) - 1);
                match targets[image + inside] {
                    IGNORED => label,
                    neighbour => neighbour,
                }
            }));
        }
        let squared_distances = offsets
            .iter()
            .map(|offset| offset.iter().filter(|&&coordinate| coordinate != 1).count())
            .collect();
        let labels =
            Tensor::from_vec(labels, (batch.rows(), offsets.len()), batch.source().device())?;
        Ok(Self { labels, squared_distances })
    }
}

/// Returns all positions of a window: along a dimension, 0 is the one before, 1 the same and 2 the
/// next.
fn offsets(dimensions: usize) -> Vec<Vec<usize>> {
    (0..3usize.pow(dimensions as u32))
        .map(|index| {
            (0..dimensions)
                .rev()
                .map(|dimension| index / 3usize.pow(dimension as u32) % 3)
                .collect()
        })
        .collect()
}
