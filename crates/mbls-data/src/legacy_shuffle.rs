//! The shuffle of NumPy's legacy generator, which published splits were made with.

use crate::{Error, Result};
use rand_mt::Mt;

/// The permutations that `np.random.seed(seed)` and then repeated calls of
/// `np.random.shuffle(list(range(n)))` produce.
///
/// The generator is MT19937. For `i` from the last position down to 1, positions `i` and `j` are
/// swapped, where `j` is uniform in `0..=i`: 32-bit numbers are masked to the bits of `i`, and
/// those above `i` are rejected. Splits of published code are this function of a seed; for a new
/// split, prefer [`random_split`](crate::random_split).
///
/// ```
/// use mbls_data::LegacyShuffle;
///
/// let mut shuffle = LegacyShuffle::new(1);
/// assert_eq!(shuffle.permutation(4)?, [3, 2, 0, 1]);
/// // The generator keeps its state, as NumPy's does.
/// assert_ne!(shuffle.permutation(4)?, LegacyShuffle::new(1).permutation(4)?);
/// # Ok::<(), mbls_data::Error>(())
/// ```
///
/// # References
///
/// NumPy, `numpy/random/mtrand.pyx` (`shuffle`) and `src/distributions/distributions.c`
/// (`random_interval`); Matsumoto, Nishimura: Mersenne Twister (ACM TOMACS, 1998).
#[derive(Clone, Debug)]
pub struct LegacyShuffle {
    generator: Mt,
}

impl LegacyShuffle {
    /// Creates the generator in its state after `np.random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        Self { generator: Mt::new(seed) }
    }

    /// Returns the next shuffle of `0..n`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for more than 2^32 items, for which NumPy draws
    /// different numbers.
    pub fn permutation(&mut self, n: usize) -> Result<Vec<usize>> {
        let Ok(last) = u32::try_from(n.saturating_sub(1)) else {
            return Err(Error::value("items of a legacy shuffle", "at most 2^32", n));
        };
        let mut items: Vec<usize> = (0..n).collect();
        for i in (1..=last).rev() {
            items.swap(i as usize, self.at_most(i) as usize);
        }
        Ok(items)
    }

    /// Returns a uniform number in `0..=limit`.
    fn at_most(&mut self, limit: u32) -> u32 {
        let mask = u32::MAX >> limit.leading_zeros();
        loop {
            let value = self.generator.next_u32() & mask;
            if value <= limit {
                return value;
            }
        }
    }
}
