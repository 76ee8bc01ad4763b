//! The transforms of Winograd's minimal filtering F(2x2, 3x3), which computes a tile of 2x2 outputs
//! with 16 products instead of 36.
//!
//! Let `Y` be the outputs of a tile, `d` the 4x4 inputs it reads and `g` the kernel. Then
//! `Y = A^T [(G g G^T) * (B^T d B)] A`, and the kernel's gradient is
//! `G^T [(A dY A^T) * (B^T d B)] G`, with
//!
//! ```text
//!       1  0 -1  0          1    0   0            1  0
//! B^T = 0  1  1  0    G =  1/2  1/2 1/2      A =  1  1
//!       0 -1  1  0         1/2 -1/2 1/2           1 -1
//!       0  1  0 -1          0    0   1            0 -1
//! ```
//!
//! # References
//!
//! Lavin and Gray, Fast algorithms for convolutional neural networks, 2016.

use super::matrix::GAP;
use crate::cpu::values::Float;

/// Number of products of a tile.
pub(in crate::cpu) const PRODUCTS: usize = 16;

/// Number of tiles that are transformed at once.
const LANES: usize = 8;

const _: () = assert!(LANES <= GAP);

/// The same entry of several tiles. All functions on it are inlined, so that the values stay in
/// registers.
#[derive(Clone, Copy)]
struct Lanes<T>([T; LANES]);

impl<T: Float> Lanes<T> {
    #[inline(always)]
    fn zero() -> Self {
        Self([T::zero(); LANES])
    }

    #[inline(always)]
    fn load(from: &[T]) -> Self {
        let mut lanes = Self::zero();
        lanes.0.copy_from_slice(&from[..LANES]);
        lanes
    }

    #[inline(always)]
    fn store(self, to: &mut [T]) {
        to[..LANES].copy_from_slice(&self.0);
    }
}

impl<T: Float> std::ops::Add for Lanes<T> {
    type Output = Self;

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for i in 0..LANES {
            self.0[i] += other.0[i];
        }
        self
    }
}

impl<T: Float> std::ops::Sub for Lanes<T> {
    type Output = Self;

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for i in 0..LANES {
            self.0[i] -= other.0[i];
        }
        self
    }
}

/// Computes `B^T d`.
#[inline(always)]
fn input<T: Float>(d: [Lanes<T>; 4]) -> [Lanes<T>; 4] {
    [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]
}

/// Computes `A dY`.
#[inline(always)]
fn gradient<T: Float>(d: [Lanes<T>; 2]) -> [Lanes<T>; 4] {
    [d[0], d[0] + d[1], d[0] - d[1], Lanes::zero() - d[1]]
}

/// Computes `A^T m`.
#[inline(always)]
fn output<T: Float>(m: [Lanes<T>; 4]) -> [Lanes<T>; 2] {
    [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
}

/// Compiles a function a second time for processors with AVX2, which runs if available. Both
/// versions round the same way: they only contain sums and differences, in the same order.
macro_rules! with_avx2 {
    ($(#[$doc:meta])* fn $name:ident => $body:ident<$t:ident>($($arg:ident: $type:ty),* $(,)?)) => {
        $(#[$doc])*
        pub(in crate::cpu) fn $name<$t: Float>($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn fast<$t: Float>($($arg: $type),*) {
                    $body($($arg),*);
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has the feature.
                    return unsafe { fast($($arg),*) };
                }
            }
            $body($($arg),*);
        }
    };
}

/// The tiles along one axis of a plane, with the first output of each.
///
/// Outputs that are `dilation` apart read inputs that are `dilation` apart. A dilated convolution
/// is therefore a convolution without dilation for each `phase`, the remainder of the position.
/// Tiles are ordered by phase.
#[derive(Clone, Debug)]
pub(in crate::cpu) struct Tiles {
    dilation: usize,
    /// Number of tiles of each phase.
    counts: Vec<usize>,
    total: usize,
}

impl Tiles {
    pub(in crate::cpu) fn new(outputs: usize, dilation: usize) -> Self {
        let count = |phase: usize| (outputs - phase).div_ceil(dilation).div_ceil(2);
        let counts: Vec<usize> = (0..dilation.min(outputs)).map(count).collect();
        let total = counts.iter().sum();
        Self { dilation, counts, total }
    }

    pub(in crate::cpu) fn len(&self) -> usize {
        self.total
    }

    /// Returns the first output of each tile; the second is `dilation` after it.
    pub(in crate::cpu) fn starts(&self) -> Vec<usize> {
        let starts = |(phase, &count): (usize, &usize)| {
            (0..count).map(move |t| phase + 2 * t * self.dilation)
        };
        self.counts
            .iter()
            .enumerate()
            .flat_map(|(phase, count)| starts((phase, count)).collect::<Vec<_>>())
            .collect()
    }

    /// Returns how to split a line of `size` entries, preceded by `padding`, into even and odd
    /// entries: for each phase those of its tiles and of one more tile.
    pub(in crate::cpu) fn split(&self, size: usize, padding: usize) -> Split {
        let step = 2 * self.dilation;
        let (mut offset, mut tile) = (0, 0);
        let phase = |(phase, &count): (usize, &usize)| {
            let half = |odd: usize| {
                let position = phase + odd * self.dilation;
                let low = padding.saturating_sub(position).div_ceil(step).min(count + 1);
                let high = (size + padding)
                    .saturating_sub(position)
                    .div_ceil(step)
                    .min(count + 1)
                    .max(low);
                Half { low, high, first: (position + low * step).saturating_sub(padding) }
            };
            let phase = Phase { offset, tile, count, halves: [half(0), half(1)] };
            (offset, tile) = (offset + count + 1, tile + count);
            phase
        };
        let phases: Vec<Phase> = self.counts.iter().enumerate().map(phase).collect();
        let lanes = |p: &Phase| {
            let (offset, tile, count) = (p.offset, p.tile, p.count);
            (0..count).step_by(LANES).map(move |t| (offset + t, tile + t))
        };
        let groups = phases.iter().flat_map(lanes).collect();
        Split { step, phases, entries: offset + LANES, groups }
    }
}

/// The rule for splitting a line, see [`Tiles::split`].
#[derive(Clone, Debug)]
pub(in crate::cpu) struct Split {
    step: usize,
    phases: Vec<Phase>,
    entries: usize,
    /// For each group of lanes: its start in the halves, and its first tile. Groups are complete
    /// even if a phase has fewer tiles left: the next group overwrites the excess, or it falls into
    /// the [`GAP`] after every row.
    groups: Vec<(usize, usize)>,
}

#[derive(Clone, Debug)]
struct Phase {
    /// The start of its entries in each half.
    offset: usize,
    /// The first tile.
    tile: usize,
    /// Number of tiles.
    count: usize,
    halves: [Half; 2],
}

/// The entries `low..high` of a phase are inside the line, starting at `first`.
#[derive(Clone, Debug)]
struct Half {
    low: usize,
    high: usize,
    first: usize,
}

/// The even and odd entries of a line, with room for a last group of lanes.
#[derive(Clone, Debug)]
pub(in crate::cpu) struct Halves<T>([Vec<T>; 2]);

impl<T: Float> Halves<T> {
    pub(in crate::cpu) fn new(split: &Split) -> Self {
        Self([(); 2].map(|()| vec![T::zero(); split.entries]))
    }

    pub(in crate::cpu) fn clear(&mut self) {
        self.0.iter_mut().for_each(|half| half.fill(T::zero()));
    }

    #[inline(always)]
    fn lanes(&self, odd: usize, at: usize) -> Lanes<T> {
        Lanes::load(&self.0[odd][at..])
    }
}

with_avx2! {
    /// Splits a line. Entries outside the line stay 0, as long as these halves are always read with
    /// the same split.
    fn read => read_line<T>(halves: &mut Halves<T>, line: &[T], split: &Split)
}

#[inline(always)]
fn read_line<T: Float>(halves: &mut Halves<T>, line: &[T], split: &Split) {
    for phase in &split.phases {
        for (to, half) in halves.0.iter_mut().zip(&phase.halves) {
            let to = &mut to[phase.offset..][..=phase.count];
            let to = &mut to[half.low..half.high];
            if to.is_empty() {
                continue;
            }
            let from = &line[half.first..];
            match split.step {
                2 => {
                    let last = to.len() - 1;
                    to[..last].iter_mut().zip(from.chunks_exact(2)).for_each(|(t, f)| *t = f[0]);
                    to[last] = from[2 * last];
                }
                step => to.iter_mut().zip(from.iter().step_by(step)).for_each(|(t, &f)| *t = f),
            }
        }
    }
}

with_avx2! {
    /// Computes `B^T d B` for the tiles of four lines, into `out[k][at..]`. Lines must come in
    /// order, because the last tiles spill over.
    fn inputs => input_lines<T>(lines: [&Halves<T>; 4], split: &Split, out: &mut [&mut [T]; PRODUCTS], at: usize)
}

#[inline(always)]
fn input_lines<T: Float>(
    lines: [&Halves<T>; 4],
    split: &Split,
    out: &mut [&mut [T]; PRODUCTS],
    at: usize,
) {
    for &(from, tile) in &split.groups {
        let mut columns = [[Lanes::zero(); 4]; 4];
        for (j, column) in columns.iter_mut().enumerate() {
            let (odd, from) = (j % 2, from + j / 2);
            *column = input([
                lines[0].lanes(odd, from),
                lines[1].lanes(odd, from),
                lines[2].lanes(odd, from),
                lines[3].lanes(odd, from),
            ]);
        }
        for i in 0..4 {
            let row = input([columns[0][i], columns[1][i], columns[2][i], columns[3][i]]);
            for j in 0..4 {
                row[j].store(&mut out[4 * i + j][at + tile..]);
            }
        }
    }
}

with_avx2! {
    /// Computes `A dY A^T` for the tiles of two lines, into `out[k][at..]`. Lines must come in
    /// order, because the last tiles spill over.
    fn gradients => gradient_lines<T>(lines: [&Halves<T>; 2], split: &Split, out: &mut [&mut [T]; PRODUCTS], at: usize)
}

#[inline(always)]
fn gradient_lines<T: Float>(
    lines: [&Halves<T>; 2],
    split: &Split,
    out: &mut [&mut [T]; PRODUCTS],
    at: usize,
) {
    for &(from, tile) in &split.groups {
        let even = gradient([lines[0].lanes(0, from), lines[1].lanes(0, from)]);
        let odd = gradient([lines[0].lanes(1, from), lines[1].lanes(1, from)]);
        for i in 0..4 {
            let row = gradient([even[i], odd[i]]);
            for j in 0..4 {
                row[j].store(&mut out[4 * i + j][at + tile..]);
            }
        }
    }
}

with_avx2! {
    /// Computes `A^T m A` for the tiles of a line, where `m` is read from `products[k]` with its
    /// gap, into two lines.
    fn outputs => output_lines<T>(products: [&[T]; PRODUCTS], split: &Split, lines: &mut [Halves<T>; 2])
}

#[inline(always)]
fn output_lines<T: Float>(products: [&[T]; PRODUCTS], split: &Split, lines: &mut [Halves<T>; 2]) {
    for &(to, tile) in &split.groups {
        let mut columns = [[Lanes::zero(); 2]; 4];
        for (j, column) in columns.iter_mut().enumerate() {
            *column = output([
                Lanes::load(&products[j][tile..]),
                Lanes::load(&products[4 + j][tile..]),
                Lanes::load(&products[8 + j][tile..]),
                Lanes::load(&products[12 + j][tile..]),
            ]);
        }
        for i in 0..2 {
            let row = output([columns[0][i], columns[1][i], columns[2][i], columns[3][i]]);
            row[0].store(&mut lines[i].0[0][to..]);
            row[1].store(&mut lines[i].0[1][to..]);
        }
    }
}

with_avx2! {
    /// Writes the entries of a line of outputs with `bias` added.
    fn write => write_line<T>(halves: &Halves<T>, line: &mut [T], split: &Split, bias: T)
}

#[inline(always)]
fn write_line<T: Float>(halves: &Halves<T>, line: &mut [T], split: &Split, bias: T) {
    let [even, odd] = &halves.0;
    if split.step == 2 {
        let (pairs, rest) = line.as_chunks_mut::<2>();
        if let [last] = rest {
            *last = even[pairs.len()] + bias;
        }
        for (pair, (&even, &odd)) in pairs.iter_mut().zip(even.iter().zip(odd)) {
            *pair = [even + bias, odd + bias];
        }
        return;
    }
    for phase in &split.phases {
        for (from, half) in [even, odd].into_iter().zip(&phase.halves) {
            let from = &from[phase.offset..][half.low..half.high.min(phase.count)];
            if !from.is_empty() {
                line[half.first..]
                    .iter_mut()
                    .step_by(split.step)
                    .zip(from)
                    .for_each(|(t, &f)| *t = f + bias);
            }
        }
    }
}

/// Computes `G g G^T` of a kernel.
pub(in crate::cpu) fn kernel<T: Float>(g: [[T; 3]; 3]) -> [[T; 4]; 4] {
    let half = T::from_f64(0.5);
    let transform = |g: [T; 3]| {
        let outer = (g[0] + g[2]) * half;
        [g[0], outer + g[1] * half, outer - g[1] * half, g[2]]
    };
    let columns: [[T; 4]; 3] = std::array::from_fn(|j| transform(g.map(|row| row[j])));
    std::array::from_fn(|i| transform(columns.map(|column| column[i])))
}

/// Computes `G^T m G`, the gradient of a kernel.
pub(in crate::cpu) fn kernel_gradient<T: Float>(m: [[T; 4]; 4]) -> [[T; 3]; 3] {
    let half = T::from_f64(0.5);
    let transform = |m: [T; 4]| {
        let (sum, difference) = ((m[1] + m[2]) * half, (m[1] - m[2]) * half);
        [m[0] + sum, difference, sum + m[3]]
    };
    let columns: [[T; 3]; 4] = std::array::from_fn(|j| transform(m.map(|row| row[j])));
    std::array::from_fn(|i| transform(columns.map(|column| column[i])))
}
