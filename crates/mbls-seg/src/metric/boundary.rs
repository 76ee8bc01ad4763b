use mbls_core::metric::Labels;
use mbls_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Whether the border between a class and void counts as a class boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoidEdges {
    /// It does not: only pixels of two touching classes form a boundary.
    #[default]
    Ignored,
    /// It does: void is treated as a class. For data sets that draw a strip of void along every
    /// object, such as VOC, in which classes hardly touch.
    Counted,
}

/// Computes the exact distance of each pixel of a label map from the nearest class boundary, in
/// pixels, in the chessboard metric `max(|dx|, |dy|)`.
///
/// A boundary pixel has a pixel of another class among its eight neighbours; its distance is 0.
/// Distances are measured between pixel centres, across void as well. They are `u32::MAX` in a map
/// without a boundary. Without void, the distance is one less than the distance to the nearest
/// pixel of another class.
///
/// ```
/// use mbls_seg::metric::{VoidEdges, boundary_distances};
///
/// let labels = [0, 0, 0, 1, 1, 255];
/// assert_eq!(boundary_distances(&labels, 6, &[255], VoidEdges::Ignored)?, [2, 1, 0, 0, 1, 2]);
/// assert_eq!(boundary_distances(&labels, 6, &[255], VoidEdges::Counted)?, [2, 1, 0, 0, 0, 0]);
/// assert_eq!(boundary_distances(&[7, 7], 1, &[], VoidEdges::Counted)?, [u32::MAX; 2]);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # Shapes
///
/// `labels` and the returned distances are `[height, width]` in row-major order; labels have any
/// integer type.
///
/// # Errors
///
/// [`Error::Shape`] if the labels do not fill whole rows of `width` pixels, [`Error::Setting`] for
/// a label that is neither void nor in 0 to 2^32 - 2.
///
/// # References
///
/// Rosenfeld and Pfaltz, Distance functions on digital images, Pattern Recognition 1, 1968, which
/// shows that two passes are exact.
pub fn boundary_distances<'a>(
    labels: impl Into<Labels<'a>>,
    width: usize,
    void: &[i64],
    edges: VoidEdges,
) -> Result<Vec<u32>> {
    let labels = labels.into();
    if labels.is_empty() {
        return Ok(Vec::new());
    }
    if labels.len().checked_rem(width) != Some(0) {
        let (expected, found) =
            (format!("rows of {width} pixels"), format!("{} labels", labels.len()));
        return Err(Error::Shape { what: "label map", expected, found });
    }
    let mut distances = boundary_pixels(&labels.to_u32(void)?, width, edges);
    descend(&mut distances, width);
    // The second pass is the first one on the map rotated by 180 degrees.
    distances.reverse();
    descend(&mut distances, width);
    distances.reverse();
    Ok(distances)
}

/// The class that [`Labels::to_u32`] assigns to void.
const VOID: u32 = u32::MAX;

/// Returns 0 for boundary pixels and `u32::MAX` for the others.
fn boundary_pixels(classes: &[u32], width: usize, edges: VoidEdges) -> Vec<u32> {
    let parts =
        |a: u32, b: u32| a != b && (edges == VoidEdges::Counted || (a != VOID && b != VOID));
    let mut distances = vec![u32::MAX; classes.len()];
    let mut mark = |first: usize, second: usize, count: usize| {
        for (a, b) in (first..first + count).zip(second..) {
            if parts(classes[a], classes[b]) {
                (distances[a], distances[b]) = (0, 0);
            }
        }
    };
    for row in (0..classes.len()).step_by(width) {
        mark(row, row + 1, width - 1);
        let below = row + width;
        if below < classes.len() {
            mark(row, below, width);
            mark(row, below + 1, width - 1);
            mark(row + 1, below, width - 1);
        }
    }
    distances
}

/// Propagates distances along paths from above and from the left.
fn descend(distances: &mut [u32], width: usize) {
    let mut above = vec![u32::MAX; width];
    for row in distances.chunks_exact_mut(width) {
        let mut left = u32::MAX;
        for x in 0..width {
            let around = &above[x.saturating_sub(1)..(x + 2).min(width)];
            let nearest = around.iter().fold(left, |nearest, &distance| nearest.min(distance));
            left = row[x].min(nearest.saturating_add(1));
            row[x] = left;
        }
        above.copy_from_slice(row);
    }
}
