//! Feature coordinates in which a fit converges quickly.

use crate::calibration::numeric::rows::CHUNK;
use crate::calibration::numeric::sums::sum;
use crate::parallel::{each_chunk, map};
use rayon::prelude::*;

/// The form of the weights of a linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::calibration) enum Form {
    /// One weight per class, for its own feature.
    Diagonal,
    /// One weight per pair of an output and a feature.
    Full,
}

/// The coordinate system of the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::calibration) enum Coordinates {
    /// For [`Form::Diagonal`]: each feature scaled separately; 0 for a constant feature.
    Diagonal,
    /// For [`Form::Full`]: each feature scaled separately, for a penalty on single weights, which
    /// makes all of them count.
    ///
    /// With `about_zero` the features are not centred: with a penalty on intercepts, centring would
    /// couple all weights, and small curvatures would be lost to rounding.
    Scaled { about_zero: bool },
    /// For [`Form::Full`]: uncorrelated coordinates, as many as there are linearly independent
    /// features. With `all`, weights also have components along the directions in which the
    /// features do not vary, which only a penalty on intercepts depends on.
    Orthogonal { all: bool },
}

/// Coordinates `q = B (x - mean)` of features `x`, with mean 0 and mean square 1.
///
/// The logits of a network often have nearly the same sum in every row. Such a direction is a
/// coordinate like any other unless it could result from rounding alone: the features are
/// orthogonalised one after the other, and the rounding error of each remainder is tracked.
///
/// A linear map is `W x + b = U q + c` with `W = U B`. In orthogonal coordinates, the rows of `B`
/// are also orthogonal to all directions in which the features do not vary, so `W` has the minimum
/// norm of all with the same effect.
/// least.
pub(in crate::calibration) struct Basis {
    form: Form,
    mean: Vec<f64>,
    /// `B`: `[features]` in diagonal form, otherwise `[coordinates, features]`, followed by an
    /// orthonormal basis of the directions in which the features do not vary, if these have weights
    /// too.
    rows: Vec<f64>,
    /// `B mean`.
    offsets: Vec<f64>,
    /// The number of coordinates.
    rank: usize,
}

impl Basis {
    /// Returns the basis of features `[rows, width]`, and their coordinates `[rows, rank]`.
    pub(in crate::calibration) fn new(
        coordinates: Coordinates,
        features: &[f64],
        width: usize,
    ) -> (Self, Vec<f64>) {
        let about_zero = coordinates == Coordinates::Scaled { about_zero: true };
        let columns = Columns::of(features, width, about_zero);
        let mean = columns.means.clone();
        let form = if coordinates == Coordinates::Diagonal { Form::Diagonal } else { Form::Full };
        let (rows, coordinates, rank) = match coordinates {
            Coordinates::Diagonal => {
                let (scales, coordinates) = columns.scaled(0.0);
                (scales, coordinates, width)
            }
            Coordinates::Scaled { .. } => {
                let (scales, coordinates) = columns.scaled(1.0);
                let row = |i: usize| (0..width).map(move |j| (i, j));
                let entry = |(i, j)| if i == j { scales[i] } else { 0.0 };
                ((0..width).flat_map(row).map(entry).collect(), coordinates, width)
            }
            Coordinates::Orthogonal { all } => columns.orthogonal(all),
        };
        let offsets = match form {
            Form::Diagonal => rows.iter().zip(&mean).map(|(b, m)| b * m).collect(),
            Form::Full => rows.chunks_exact(width).map(|row| offset(row, &mean)).collect(),
        };
        (Self { form, mean, rows, offsets, rank }, coordinates)
    }

    /// The number of coordinates of a row.
    pub(in crate::calibration) fn rank(&self) -> usize {
        self.rank
    }

    /// The number of rows of `U`: the coordinates, and the directions that only a penalty depends
    /// on.
    pub(in crate::calibration) fn width(&self) -> usize {
        self.offsets.len()
    }

    /// `B mean`: the intercept is `b = c - U^T (B mean)`.
    pub(in crate::calibration) fn offsets(&self) -> &[f64] {
        &self.offsets
    }

    /// Row `i` of `B`, in full form.
    pub(in crate::calibration) fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.mean.len()..][..self.mean.len()]
    }

    /// Returns `W` and `b` for `U` and `c`. `U` is `[width, outputs]` and `W` is
    /// `[outputs, features]`; in diagonal form both are `[outputs]`.
    pub(in crate::calibration) fn weights(&self, u: &[f64], c: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let outputs = c.len();
        let mut b = c.to_vec();
        let w = match self.form {
            Form::Diagonal => {
                b.iter_mut().zip(u).zip(&self.offsets).for_each(|((b, u), o)| *b -= u * o);
                u.iter().zip(&self.rows).map(|(u, row)| u * row).collect()
            }
            Form::Full => {
                let mut w = vec![0.0; outputs * self.mean.len()];
                for (i, (u, offset)) in u.chunks_exact(outputs).zip(&self.offsets).enumerate() {
                    for ((w, b), u) in w.chunks_exact_mut(self.mean.len()).zip(&mut b).zip(u) {
                        w.iter_mut().zip(self.row(i)).for_each(|(w, row)| *w += u * row);
                        *b -= u * offset;
                    }
                }
                w
            }
        };
        (w, b)
    }

    /// Applies the transpose of [`weights`](Self::weights) in full form: converts a gradient in `W`
    /// and `b` to one in `U` and `c`.
    pub(in crate::calibration) fn transposed(&self, w: &[f64], b: &[f64]) -> Vec<f64> {
        let mut u = Vec::with_capacity((self.width() + 1) * b.len());
        for (i, offset) in self.offsets.iter().enumerate() {
            u.extend(
                w.chunks_exact(self.mean.len())
                    .zip(b)
                    .map(|(w, b)| dot(self.row(i), w) - b * offset),
            );
        }
        u.extend(b);
        u
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    sum(a.iter().zip(b).map(|(a, b)| a * b))
}

/// Returns `row mean`, or 0 if it could result from rounding: a direction whose sum is 0 has no
/// effect on the intercept.
fn offset(row: &[f64], mean: &[f64]) -> f64 {
    let size = sum(row.iter().zip(mean).map(|(a, b)| (a * b).abs()));
    let offset = dot(row, mean);
    if offset.abs() > 64.0 * f64::EPSILON * size { offset } else { 0.0 }
}

/// Features as columns, each minus its mean, or 0, and in units of its largest deviation from that.
struct Columns {
    means: Vec<f64>,
    /// 0 for a constant feature, whose column is 0.
    units: Vec<f64>,
    /// The largest magnitude of each column in its units, to which its rounding error is relative.
    magnitudes: Vec<f64>,
    columns: Vec<Vec<f64>>,
    rows: usize,
}

/// Returns the mean product of two columns, which does not depend on the number of threads.
fn mean_product(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let of_chunk = |(a, b): (&[f64], &[f64])| {
        let mut lanes = [0.0; LANES];
        let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            (0..LANES).for_each(|lane| lanes[lane] += a[lane] * b[lane]);
        }
        lanes.iter().sum::<f64>() + a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum::<f64>()
    };
    sum(a.chunks(CHUNK).zip(b.chunks(CHUNK)).map(of_chunk)) / a.len() as f64
}

fn subtract(from: &mut [f64], share: f64, column: &[f64]) {
    from.iter_mut().zip(column).for_each(|(from, value)| *from -= share * value);
}

impl Columns {
    fn of(features: &[f64], width: usize, about_zero: bool) -> Self {
        let rows = features.len() / width;
        let column = |j: usize| {
            let mut column: Vec<f64> = features.iter().skip(j).step_by(width).copied().collect();
            let magnitude = column.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            let (least, most) =
                column.iter().fold((column[0], column[0]), |(a, b), x| (a.min(*x), b.max(*x)));
            let mean = match least == most {
                _ if about_zero => 0.0,
                // Exact for a constant feature, unlike a computed mean.
                true => least,
                false => sum(column.iter().copied()) / rows as f64,
            };
            let unit = column.iter().fold(0.0f64, |most, x| most.max((x - mean).abs()));
            if unit > 0.0 {
                column.iter_mut().for_each(|x| *x = (*x - mean) / unit);
            } else {
                column.fill(0.0);
            }
            (mean, unit, if unit > 0.0 { magnitude / unit } else { 0.0 }, column)
        };
        let parts: Vec<(f64, f64, f64, Vec<f64>)> = map(width, &column);
        let mut columns =
            Self { means: vec![], units: vec![], magnitudes: vec![], columns: vec![], rows };
        for (mean, unit, magnitude, column) in parts {
            columns.means.push(mean);
            columns.units.push(unit);
            columns.magnitudes.push(magnitude);
            columns.columns.push(column);
        }
        columns
    }

    /// Converts columns to rows `[rows, width]`.
    fn by_row(&self, columns: &[Vec<f64>]) -> Vec<f64> {
        let mut rows = vec![0.0; self.rows * columns.len()];
        if !columns.is_empty() {
            each_chunk(&mut rows, columns.len(), &|row, values| {
                values.iter_mut().zip(columns).for_each(|(value, column)| *value = column[row]);
            });
        }
        rows
    }

    /// Scales each feature separately. Returns the scale factors and the rows; the factor of a
    /// constant feature is `constant`.
    fn scaled(mut self, constant: f64) -> (Vec<f64>, Vec<f64>) {
        let units = &self.units;
        let scale = |(j, column): (usize, &mut Vec<f64>)| {
            let root = mean_product(column, column).sqrt();
            if root > 0.0 {
                column.iter_mut().for_each(|x| *x /= root);
                1.0 / (root * units[j])
            } else {
                constant
            }
        };
        let scales = self.columns.par_iter_mut().enumerate().map(scale).collect();
        (scales, self.by_row(&self.columns))
    }

    /// Removes correlations by modified Gram-Schmidt steps, each for the feature with the largest
    /// remainder.
    fn orthogonal(mut self, all: bool) -> (Vec<f64>, Vec<f64>, usize) {
        let width = self.columns.len();
        let mut columns = std::mem::take(&mut self.columns);
        // The size of the rounding error of each remainder.
        let mut rounding: Vec<f64> =
            self.magnitudes.iter().map(|size| 2.0 * f64::EPSILON * size).collect();
        let mut rests: Vec<f64> =
            columns.par_iter().map(|column| mean_product(column, column).sqrt()).collect();
        let mut left: Vec<usize> = (0..width).filter(|&j| self.units[j] > 0.0).collect();
        let mut coordinates: Vec<Vec<f64>> = Vec::new();
        // Rows of B, in terms of scaled features.
        let mut basis: Vec<Vec<f64>> = Vec::new();
        // Per feature, its coefficients in the coordinates.
        let mut shares: Vec<Vec<f64>> = vec![Vec::new(); width];
        while let Some(&next) =
            left.iter().max_by(|&&a, &&b| rests[a].total_cmp(&rests[b]).then(b.cmp(&a)))
        {
            if rests[next] <= 4.0 * rounding[next] {
                break;
            }
            left.retain(|&j| j != next);
            let mut column = std::mem::take(&mut columns[next]);
            // Orthogonalised again, because a small remainder is still correlated with earlier
            // ones.
            for (i, before) in coordinates.iter().enumerate() {
                let share = mean_product(&column, before);
                subtract(&mut column, share, before);
                shares[next][i] += share;
            }
            let rest = mean_product(&column, &column).sqrt();
            column.iter_mut().for_each(|x| *x /= rest);
            let mut row = vec![0.0; width];
            row[next] = 1.0;
            for (share, before) in shares[next].iter().zip(&basis) {
                subtract(&mut row, *share, before);
            }
            row.iter_mut().for_each(|value| *value /= rest);
            basis.push(row);
            let of_unit = rounding[next] / rest;
            let found: Vec<(usize, f64)> = columns
                .par_iter_mut()
                .enumerate()
                .filter(|(j, other)| *j != next && !other.is_empty())
                .map(|(j, other)| {
                    let share = mean_product(other, &column);
                    subtract(other, share, &column);
                    (j, share)
                })
                .collect();
            for (j, share) in found {
                shares[j].push(share);
                rounding[j] += share.abs() * (of_unit + f64::EPSILON);
                rests[j] = mean_product(&columns[j], &columns[j]).sqrt();
            }
            coordinates.push(column);
        }
        let rank = coordinates.len();
        // From scaled features to features.
        let units = &self.units;
        let unscaled = |row: Vec<f64>| -> Vec<f64> {
            row.iter()
                .zip(units)
                .map(|(b, unit)| if *unit > 0.0 { b / unit } else { 0.0 })
                .collect()
        };
        let mut basis: Vec<Vec<f64>> = basis.into_iter().map(unscaled).collect();
        // The directions in which no feature varies, one per constant or dependent feature.
        let mut null: Vec<Vec<f64>> = Vec::new();
        for j in (0..width).filter(|&j| units[j] == 0.0 || left.contains(&j)) {
            let mut direction = vec![0.0; width];
            direction[j] = 1.0;
            let unit = if units[j] > 0.0 { units[j] } else { 0.0 };
            for (share, row) in shares[j].iter().zip(&basis) {
                subtract(&mut direction, share * unit, row);
            }
            // Twice, to remove what rounding leaves the first time.
            for _ in 0..2 {
                for other in &null {
                    let share = dot(&direction, other);
                    subtract(&mut direction, share, other);
                }
            }
            let size = dot(&direction, &direction).sqrt();
            direction.iter_mut().for_each(|value| *value /= size);
            null.push(direction);
        }
        for row in &mut basis {
            for direction in &null {
                let share = dot(row, direction);
                subtract(row, share, direction);
            }
        }
        if all {
            basis.extend(null);
        }
        (basis.concat(), self.by_row(&coordinates), rank)
    }
}
