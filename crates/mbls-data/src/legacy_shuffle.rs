//! The shuffle of numpy's legacy generator, by which published splits were made.

use crate::{Error, Result};
use rand_mt::Mt;

/// The permutations that `np.random.seed(seed)` and then one `np.random.shuffle(list(range(n)))`
/// after another make.
///
/// MT19937; for `i` from the last place down to 1, place `i` changes with place `j`, drawn evenly
/// from `0..=i` by masking 32-bit numbers to the bits of `i` and rejecting those above it. Splits
/// of published code are this function of a seed; a new split is better made by
/// [`random_split`](crate::random_split).
///
/// ```
/// use mbls_data::LegacyShuffle;
///
/// let mut shuffle = LegacyShuffle::new(1);
/// assert_eq!(shuffle.permutation(4)?, [3, 2, 0, 1]);
/// // The generator goes on, as numpy's does.
/// assert_ne!(shuffle.permutation(4)?, LegacyShuffle::new(1).permutation(4)?);
/// # Ok::<(), mbls_data::Error>(())
/// ```
///
/// # References
///
/// numpy, `numpy/random/mtrand.pyx` (`shuffle`) and `src/distributions/distributions.c`
/// (`random_interval`); Matsumoto, Nishimura: Mersenne Twister (ACM TOMACS, 1998).
#[derive(Clone, Debug)]
pub struct LegacyShuffle {
    generator: Mt,
}

impl LegacyShuffle {
    /// The generator after `np.random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        Self { generator: Mt::new(seed) }
    }

    /// The next shuffle of `0..n`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for more than 2^32 items, for which numpy draws
    /// other numbers.
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

    /// A number of `0..=limit`.
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
