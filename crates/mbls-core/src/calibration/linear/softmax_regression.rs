//! The objective minimised by vector scaling, matrix scaling and Dirichlet calibration.

use crate::calibration::linear::basis::{Basis, Coordinates, Form};
use crate::calibration::linear::blocks::Blocks;
use crate::calibration::linear::conjugate::newton_step;
use crate::calibration::linear::softmax_row::{Row, row_of};
use crate::calibration::numeric::newton::{Evaluation, Objective, Step};
use crate::calibration::numeric::rows::{CHUNK, sums_over_rows};
use crate::calibration::numeric::sums::{compensated_sums, sum};
use rayon::prelude::*;

/// The relative size of what counts as 0 up to rounding: along a direction that separates the rows,
/// margins may fall by this fraction of the largest rise.
pub(in crate::calibration) const SEPARATES: f64 = 1e-8;

/// `1/n sum_n [logsumexp(z_n) - z_n[y_n]] + penalty` with `z_n = W x_n + b`.
///
/// The variables are those of a [`Basis`]. In full form they are `[rows, classes]`: a row per
/// coordinate, the intercepts, and a row per direction that only the penalty depends on. In
/// diagonal form they are weights `[classes]`, then intercepts.
///
/// Directions without effect are left out of steps rather than damped: a constant added to all
/// intercepts and, without a penalty on weights, to all weights of a feature. Their means stay at
/// the starting value of 0.
pub(in crate::calibration) struct SoftmaxRegression {
    form: Form,
    pub(in crate::calibration) classes: usize,
    basis: Basis,
    /// In the coordinates of the basis; in full form followed by a 1.
    features: Vec<f64>,
    pub(in crate::calibration) labels: Vec<u32>,
    pub(in crate::calibration) penalty: Penalty,
}

/// `off_diagonal sum_{k != j} W_kj^2 + intercept sum_k b_k^2`.
#[derive(Clone, Copy)]
pub(in crate::calibration) struct Penalty {
    pub(in crate::calibration) off_diagonal: f64,
    pub(in crate::calibration) intercept: f64,
}

impl Penalty {
    pub(in crate::calibration) fn is_none(self) -> bool {
        self.off_diagonal == 0.0 && self.intercept == 0.0
    }
}

/// The state of all rows at a point.
pub(in crate::calibration) struct Point {
    gradient: Vec<f64>,
    /// `[rows, classes]`.
    probs: Vec<f64>,
    /// The likeliest class of each row, and the total probability of the others.
    likeliest: Vec<(usize, f64)>,
    /// Whether every label is likelier than all other classes by more than rounding.
    separates: bool,
}

/// Up to this number of classes, each class has its own Gram matrix in the preconditioner. Beyond
/// it, all classes share one that weighs each row by its total variance.
const OWN_GRAM: usize = 16;

impl SoftmaxRegression {
    /// Builds the objective from valid rows, at least one.
    ///
    /// Rows are sorted first, so sums, and with them the fit, do not depend on their order.
    pub(in crate::calibration) fn new(
        form: Form,
        features: &[f64],
        labels: &[u32],
        penalty: Penalty,
    ) -> Self {
        let classes = features.len() / labels.len();
        let row = |n: usize| &features[n * classes..][..classes];
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.par_sort_unstable_by(|&a, &b| {
            let by_value = || {
                row(a).iter().zip(row(b)).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne())
            };
            labels[a].cmp(&labels[b]).then_with(|| by_value().unwrap_or(std::cmp::Ordering::Equal))
        });
        let sorted: Vec<f64> = order.iter().flat_map(|&n| row(n)).copied().collect();
        let labels: Vec<u32> = order.iter().map(|&n| labels[n]).collect();
        let coordinates = match form {
            Form::Diagonal => Coordinates::Diagonal,
            Form::Full if penalty.off_diagonal > 0.0 => {
                Coordinates::Scaled { about_zero: penalty.intercept > 0.0 }
            }
            Form::Full => Coordinates::Orthogonal { all: penalty.intercept > 0.0 },
        };
        let (basis, coordinates) = Basis::new(coordinates, &sorted, classes);
        let features = match form {
            Form::Diagonal => coordinates,
            Form::Full => {
                let row = |n: usize| {
                    coordinates[n * basis.rank()..][..basis.rank()].iter().copied().chain([1.0])
                };
                (0..labels.len()).flat_map(row).collect()
            }
        };
        Self { form, classes, basis, features, labels, penalty }
    }

    /// The number of variables.
    pub(in crate::calibration) fn dim(&self) -> usize {
        match self.form {
            Form::Diagonal => 2 * self.classes,
            Form::Full => (self.basis.width() + 1) * self.classes,
        }
    }

    /// The number of features of a row.
    fn width(&self) -> usize {
        match self.form {
            Form::Diagonal => self.classes,
            Form::Full => self.basis.rank() + 1,
        }
    }

    pub(in crate::calibration) fn row(&self, n: usize) -> &[f64] {
        &self.features[n * self.width()..][..self.width()]
    }

    /// Splits variables into `U` and `c`.
    fn split(&self, variables: &[f64]) -> (Vec<f64>, Vec<f64>) {
        match self.form {
            Form::Diagonal => {
                (variables[..self.classes].to_vec(), variables[self.classes..].to_vec())
            }
            Form::Full => {
                let (seen, hidden) = variables.split_at((self.basis.rank() + 1) * self.classes);
                let (u, c) = seen.split_at(self.basis.rank() * self.classes);
                ([u, hidden].concat(), c.to_vec())
            }
        }
    }

    /// Returns `W`, `[classes, classes]` or `[classes]`, and `b` of a point.
    pub(in crate::calibration) fn weights(&self, variables: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (u, c) = self.split(variables);
        self.basis.weights(&u, &c)
    }

    /// Computes the logits of a row.
    pub(in crate::calibration) fn logits(&self, variables: &[f64], x: &[f64], z: &mut [f64]) {
        match self.form {
            Form::Diagonal => {
                let (u, c) = variables.split_at(self.classes);
                z.iter_mut().zip(c).zip(u).zip(x).for_each(|(((z, c), u), x)| *z = c + u * x);
            }
            Form::Full => {
                z.fill(0.0);
                for (u, x) in variables.chunks_exact(self.classes).zip(x) {
                    z.iter_mut().zip(u).for_each(|(z, u)| *z += u * x);
                }
            }
        }
    }

    /// Adds `factor_k x_j` to the sum of each weight and `factor_k` to that of each intercept.
    fn add_outer(&self, factors: &[f64], x: &[f64], sums: &mut [f64]) {
        match self.form {
            Form::Diagonal => {
                let (u, c) = sums.split_at_mut(self.classes);
                c.iter_mut().zip(factors).for_each(|(c, f)| *c += f);
                u.iter_mut().zip(factors).zip(x).for_each(|((u, f), x)| *u += f * x);
            }
            Form::Full => {
                for (u, x) in sums.chunks_exact_mut(self.classes).zip(x) {
                    u.iter_mut().zip(factors).for_each(|(u, f)| *u += f * x);
                }
            }
        }
    }

    /// Removes the components without effect from a vector: the means over classes.
    fn project(&self, vector: &mut [f64]) {
        let rank = self.basis.rank();
        for (i, row) in vector.chunks_exact_mut(self.classes).enumerate() {
            let flat = match self.form {
                Form::Diagonal => i == 1,
                Form::Full if self.penalty.off_diagonal > 0.0 => {
                    i == rank && self.penalty.intercept == 0.0
                }
                Form::Full => true,
            };
            if flat {
                let mean = sum(row.iter().copied()) / self.classes as f64;
                row.iter_mut().for_each(|value| *value -= mean);
            }
        }
    }

    /// The Hessian of the penalty times a vector. The penalty is a quadratic form, so this is also
    /// its gradient.
    fn penalty_times(&self, vector: &[f64]) -> Vec<f64> {
        let (classes, rank) = (self.classes, self.basis.rank());
        let (mut w, mut b) = self.weights(vector);
        for (i, w) in w.iter_mut().enumerate() {
            *w *= if i.is_multiple_of(classes + 1) { 0.0 } else { 2.0 * self.penalty.off_diagonal };
        }
        b.iter_mut().for_each(|b| *b *= 2.0 * self.penalty.intercept);
        let u = self.basis.transposed(&w, &b);
        let (u, c) = u.split_at(u.len() - classes);
        [&u[..rank * classes], c, &u[rank * classes..]].concat()
    }

    /// The Hessian at a point times a vector, without the components that have no effect.
    fn hessian_times(&self, point: &Point, vector: &[f64]) -> Vec<f64> {
        let n = self.labels.len() as f64;
        let mut product =
            sums_over_rows(&self.features, self.width(), vector.len(), |row, x, sums| {
                let p = &point.probs[row * self.classes..][..self.classes];
                let likeliest = point.likeliest[row].0;
                let mut change = vec![0.0; self.classes];
                self.logits(vector, x, &mut change);
                // Relative to the likeliest class, whose weight in the mean may be all but 1e-300
                // of it.
                let origin = change[likeliest];
                change.iter_mut().for_each(|c| *c -= origin);
                let mean: f64 = change.iter().zip(p).map(|(c, p)| c * p).sum();
                change.iter_mut().zip(p).for_each(|(c, p)| *c = p * (*c - mean));
                change[likeliest] = 0.0;
                change[likeliest] = -change.iter().sum::<f64>();
                self.add_outer(&change, x, sums);
            });
        product.iter_mut().for_each(|sum| *sum /= n);
        if !self.penalty.is_none() {
            product.iter_mut().zip(self.penalty_times(vector)).for_each(|(p, s)| *p += s);
        }
        self.project(&mut product);
        product
    }

    /// Returns the probability of a class and of all others, each to full relative precision.
    fn share(point: &Point, classes: usize, row: usize, class: usize) -> (f64, f64) {
        let p = point.probs[row * classes + class];
        let (likeliest, rest) = point.likeliest[row];
        (p, if class == likeliest { rest } else { 1.0 - p })
    }

    fn blocks(&self, point: &Point) -> Blocks {
        let (classes, n) = (self.classes, self.labels.len() as f64);
        let variance = |row: usize, class: usize| {
            let (p, others) = Self::share(point, classes, row, class);
            p * others
        };
        if self.form == Form::Diagonal {
            let mut sums = compensated_sums(self.labels.len(), 3 * classes, |row, sums| {
                for (k, (sums, x)) in sums.chunks_exact_mut(3).zip(self.row(row)).enumerate() {
                    let v = variance(row, k);
                    [v * x * x, v * x, v].iter().zip(sums).for_each(|(value, sum)| *sum += value);
                }
            });
            sums.iter_mut().for_each(|sum| *sum /= n);
            return Blocks::new(classes, |k| {
                let [square, product, one] = [0, 1, 2].map(|i| sums[3 * k + i]);
                (vec![square, product, product, one], vec![square, one])
            });
        }
        let width = self.width();
        let add_gram = |v: f64, x: &[f64], sums: &mut [f64]| {
            for (i, sums) in sums.chunks_exact_mut(width).enumerate() {
                let factor = v * x[i];
                sums[..=i].iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x);
            }
        };
        let own = classes <= OWN_GRAM;
        let grams = if own { classes } else { 1 };
        // The Gram matrices are followed by the mean variance of each class.
        let mut sums = sums_over_rows(
            &self.features,
            width,
            grams * width * width + classes,
            |row, x, sums| {
                let (gram, variances) = sums.split_at_mut(grams * width * width);
                let mut total = 0.0;
                for (k, sum) in variances.iter_mut().enumerate() {
                    let v = variance(row, k);
                    *sum += v;
                    total += v;
                    if own {
                        add_gram(v, x, &mut gram[k * width * width..][..width * width]);
                    }
                }
                if !own {
                    add_gram(total, x, gram);
                }
            },
        );
        sums.iter_mut().for_each(|sum| *sum /= n);
        let (gram, variances) = sums.split_at(grams * width * width);
        let total: f64 = variances.iter().sum();
        let size = self.basis.width() + 1;
        let products = self.penalty_products();
        Blocks::new(classes, |k| {
            let mut matrix = vec![0.0; size * size];
            let share = if own { 1.0 } else { variances[k] / total };
            let gram = if own { &gram[k * width * width..][..width * width] } else { gram };
            for i in 0..width {
                for j in 0..=i {
                    matrix[i * size + j] = share * gram[i * width + j];
                    matrix[j * size + i] = matrix[i * size + j];
                }
            }
            let mut magnitudes: Vec<f64> = (0..size).map(|i| matrix[i * size + i]).collect();
            if let Some((products, column)) = &products {
                let of_class = |i: usize| column(i, k);
                for i in 0..size {
                    for j in 0..size {
                        let own = 2.0 * self.penalty.off_diagonal * of_class(i) * of_class(j);
                        matrix[i * size + j] += products[i * size + j] - own;
                    }
                    magnitudes[i] += products[i * size + i];
                }
            }
            (matrix, magnitudes)
        })
    }

    /// Returns the penalty's Hessian in the variables of one class, as if the diagonal weight were
    /// penalised too, which makes it the same for every class; and the component of each variable
    /// in that weight.
    #[allow(clippy::type_complexity)]
    fn penalty_products(&self) -> Option<(Vec<f64>, impl Fn(usize, usize) -> f64 + Sync)> {
        if self.penalty.is_none() {
            return None;
        }
        let (rank, size) = (self.basis.rank(), self.basis.width() + 1);
        // The row of B of a variable; `None` for the intercept.
        let at =
            move |i: usize| if i == rank { None } else { Some(if i < rank { i } else { i - 1 }) };
        let intercept = |i: usize| at(i).map_or(1.0, |row| -self.basis.offsets()[row]);
        let mut products = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..=i {
                let weights = match (at(i), at(j)) {
                    (Some(a), Some(b)) => {
                        sum(self.basis.row(a).iter().zip(self.basis.row(b)).map(|(a, b)| a * b))
                    }
                    _ => 0.0,
                };
                let value = 2.0 * self.penalty.off_diagonal * weights
                    + 2.0 * self.penalty.intercept * intercept(i) * intercept(j);
                products[i * size + j] = value;
                products[j * size + i] = value;
            }
        }
        Some((products, move |i: usize, class: usize| {
            at(i).map_or(0.0, |row| self.basis.row(row)[class])
        }))
    }
}

impl Objective for SoftmaxRegression {
    type Point = Point;

    fn at(&self, variables: &[f64]) -> Evaluation<Point> {
        let (classes, n) = (self.classes, self.labels.len() as f64);
        let mut probs = vec![0.0; self.features.len() / self.width() * classes];
        let rows: Vec<Row> = probs
            .par_chunks_mut(classes)
            .with_min_len(CHUNK)
            .enumerate()
            .map(|(row, z)| {
                self.logits(variables, self.row(row), z);
                row_of(z, self.labels[row] as usize)
            })
            .collect();
        let mut gradient = compensated_sums(self.labels.len(), variables.len(), |row, sums| {
            let mut residual = probs[row * classes..][..classes].to_vec();
            let label = self.labels[row] as usize;
            // Not p - 1, which loses the digits of a p near 1.
            residual[label] = 0.0;
            residual[label] = -residual.iter().sum::<f64>();
            self.add_outer(&residual, self.row(row), sums);
        });
        gradient.iter_mut().for_each(|sum| *sum /= n);
        let mut value = sum(rows.iter().map(|row| row.loss)) / n;
        let rounding = |(n, row): (usize, &Row)| {
            let p = probs[n * classes + self.labels[n] as usize];
            4.0 * row.loss + (1.0 - p) * row.size
        };
        let mut rounding = sum(rows.iter().enumerate().map(rounding)) / n;
        let separates =
            self.penalty.is_none() && rows.iter().all(|row| row.ahead > SEPARATES * row.size);
        if !self.penalty.is_none() {
            let slope = self.penalty_times(variables);
            let penalty = 0.5 * sum(slope.iter().zip(variables).map(|(s, x)| s * x));
            value += penalty;
            rounding += 8.0 * penalty.abs();
            gradient.iter_mut().zip(slope).for_each(|(g, s)| *g += s);
        }
        self.project(&mut gradient);
        let likeliest = rows.into_iter().map(|row| (row.likeliest, row.rest)).collect();
        Evaluation {
            value,
            rounding: f64::EPSILON * rounding,
            point: Point { gradient, probs, likeliest, separates },
        }
    }

    fn step(&self, here: &Evaluation<Point>, accuracy: f64) -> Step {
        let blocks = self.blocks(&here.point);
        let precondition = |residual: &[f64]| {
            let mut solution = blocks.solve(residual);
            self.project(&mut solution);
            solution
        };
        newton_step(&here.point.gradient, accuracy, precondition, |vector| {
            self.hessian_times(&here.point, vector)
        })
    }

    /// Rows are separable if an unpenalised direction lowers the loss of some and raises that of
    /// none.
    fn recession(&self, here: &Evaluation<Point>, step: &Step) -> Option<String> {
        (here.point.separates || self.separates(&step.direction)).then(|| {
            "no optimum: the rows are separable, along a direction of the weights the loss increases for no row and \
             decreases without bound for some"
                .into()
        })
    }
}
