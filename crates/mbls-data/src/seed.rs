//! Seeds derived from other seeds.

use mbls_io::Fingerprint;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A seed from which other seeds are derived by label and by index.
///
/// Each consumer of randomness gets its own `Seed` instead of sharing a generator. Its numbers then
/// do not depend on other consumers or on the order in which threads run.
///
/// The derivation is part of reproducibility and does not change: with `mix` the finaliser of
/// SplitMix64 and `gamma = 0x9E3779B97F4A7C15`, `derive(label) = mix(seed XOR fnv1a64(label))` and
/// `at(index) = mix(mix(seed + gamma) + index * gamma)`, modulo 2^64.
///
/// # References
///
/// Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (OOPSLA 2014); Fowler, Noll,
/// Vo: FNV-1a.
///
/// ```
/// use mbls_data::Seed;
/// use rand::RngExt;
///
/// let crop = Seed(7).derive("crop").at(3);
/// assert_eq!(crop, Seed(7).derive("crop").at(3));
/// assert_ne!(crop, Seed(7).derive("flip").at(3));
/// let x: f64 = crop.rng().random();
/// assert!((0.0..1.0).contains(&x));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Seed {
    /// Returns the seed for the purpose named by `label`.
    #[must_use]
    pub fn derive(self, label: &str) -> Self {
        Self(mix(self.0 ^ Fingerprint::of(label.as_bytes()).value()))
    }

    /// Returns the seed of one element of a sequence: an item, an epoch, a run.
    #[must_use]
    pub fn at(self, index: u64) -> Self {
        // The seed is mixed before the index is added, so `at(0)` of one seed is not `at(1)` of its
        // neighbour.
        Self(mix(mix(self.0.wrapping_add(GAMMA)).wrapping_add(index.wrapping_mul(GAMMA))))
    }

    /// Creates a generator with this seed.
    pub fn rng(self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn building_blocks_match_published_vectors() {
        // SplitMix64 from state 1234567, as in Vigna's splitmix64.c and its common test vector.
        let outputs: Vec<u64> =
            (1..=3).map(|i: u64| mix(1234567 + i.wrapping_mul(GAMMA))).collect();
        assert_eq!(outputs, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn neighbouring_seeds_and_indices_do_not_meet() {
        let seeds: HashSet<Seed> =
            (0..200).flat_map(|s| (0..200).map(move |i| Seed(s).at(i))).collect();
        assert_eq!(seeds.len(), 200 * 200);
        assert_ne!(Seed(1).derive("order").at(2), Seed(1).at(2).derive("order"));
    }

    #[test]
    fn zero_is_a_seed_like_others() {
        assert_ne!(Seed(0).at(0), Seed(0));
        assert_ne!(Seed(0).at(0), Seed(0).at(1));
    }
}
