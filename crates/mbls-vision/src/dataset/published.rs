//! The splits of the published code, index by index.

use super::Parts;
use crate::{Error, Result};
use mbls_data::LegacyShuffle;
use std::collections::BTreeMap;

/// Returns the split of the published code for CIFAR-10 and SVHN: all `n` indices are shuffled by
/// NumPy's legacy generator; the first tenth is for validation, the rest for training. For the
/// 50,000 of CIFAR-10 that is 45,000 and 5,000.
///
/// The published code uses the seed of the run, 1 by default. Both parts are in ascending order.
///
/// # Errors
///
/// [`Error::Split`] if a tenth of `n` is 0.
///
/// # References
///
/// by-liu/MbLS, `calibrate/data/cifar10.py` (`get_train_valid_loader`).
///
/// ```
/// let parts = mbls_vision::dataset::published_split(50_000, 1)?;
/// assert_eq!((parts.train.len(), parts.validation.len()), (45_000, 5_000));
/// # Ok::<(), mbls_vision::Error>(())
/// ```
pub fn published_split(n: usize, seed: u32) -> Result<Parts> {
    let tenth = n / 10;
    if tenth == 0 {
        return Err(Error::Split(format!("a tenth of {n} items is 0")));
    }
    let mut validation = LegacyShuffle::new(seed).permutation(n)?;
    let train = validation.split_off(tenth);
    Ok(Parts { train: sorted(train), validation: sorted(validation) })
}

/// Returns the split of the published code for Tiny-ImageNet. Class by class, in the order in which
/// the classes first appear, the indices of the class are shuffled by NumPy's legacy generator, and
/// the last `per_class` of them are for validation. With 50 of the 500 in each class, that is
/// 90,000 and 10,000.
///
/// The published code uses the seed of the run, 1 by default. Both parts are in ascending order.
///
/// # Errors
///
/// [`Error::Split`] if `per_class` is 0 or a class has no more items than that.
///
/// # References
///
/// by-liu/MbLS, `calibrate/data/tiny_imagenet.py` (`get_train_val_loader`).
pub fn published_split_per_class(labels: &[u32], per_class: usize, seed: u32) -> Result<Parts> {
    let mut classes = BTreeMap::<u32, Vec<usize>>::new();
    let mut order = Vec::new();
    for (i, &label) in labels.iter().enumerate() {
        let members = classes.entry(label).or_default();
        if members.is_empty() {
            order.push(label);
        }
        members.push(i);
    }
    let mut shuffle = LegacyShuffle::new(seed);
    let mut parts = Parts { train: Vec::new(), validation: Vec::new() };
    for label in order {
        let members = &classes[&label];
        let train = members.len().saturating_sub(per_class);
        if train == 0 || per_class == 0 {
            let found = members.len();
            let reason = format!(
                "has {found} items, too few for {per_class} for validation and one for training"
            );
            return Err(Error::SplitClass { label, name: None, reason });
        }
        let places = shuffle.permutation(members.len())?;
        parts.train.extend(places[..train].iter().map(|&place| members[place]));
        parts.validation.extend(places[train..].iter().map(|&place| members[place]));
    }
    Ok(Parts { train: sorted(parts.train), validation: sorted(parts.validation) })
}

fn sorted(mut part: Vec<usize>) -> Vec<usize> {
    part.sort_unstable();
    part
}
