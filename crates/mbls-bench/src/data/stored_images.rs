//! Facts from the headers of images before training: sizes, channels, and enlargement by the
//! transforms.

use anyhow::Result;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The maximum number of headers read, evenly spaced over all images.
const MOST: usize = 2000;
/// The enlargement factor above which a warning is printed.
const ENLARGED: f64 = 2.0;

/// Facts about the data before training, one sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Neutral facts.
    pub(crate) notes: Vec<String>,
    /// Warnings.
    pub(crate) warnings: Vec<String>,
}

/// Reads the headers of `all` images. `stored` returns channels, height and width of an image;
/// `enlargement` the factor by which the test transforms enlarge an image.
///
/// # Errors
///
/// The first header that cannot be read, with the file's name.
pub(crate) fn stored_images(
    all: usize,
    stored: impl Fn(usize) -> mbls_data::Result<[usize; 3]> + Sync,
    enlargement: impl Fn([usize; 2]) -> f64,
) -> Result<Facts> {
    let read = all.min(MOST);
    // Collect the results in order, so the first error does not depend on threads.
    let shapes: Vec<mbls_data::Result<[usize; 3]>> =
        (0..read).into_par_iter().map(|place| stored(place * all / read)).collect();
    let shapes = shapes.into_iter().collect::<mbls_data::Result<Vec<_>>>()?;
    Ok(Facts {
        notes: sizes(all, &shapes).into_iter().collect(),
        warnings: enlarged(&shapes, enlargement).into_iter().collect(),
    })
}

/// Formats `300 images: height 120 to 4000 (median 480), width 160 to 3000 (median 640); 3
/// channels`.
fn sizes(all: usize, shapes: &[[usize; 3]]) -> Option<String> {
    let range = |side: usize| {
        let mut sides: Vec<usize> = shapes.iter().map(|shape| shape[side]).collect();
        sides.sort_unstable();
        let (least, most) = (*sides.first()?, *sides.last()?);
        let median = sides[(sides.len() - 1) / 2];
        Some(if least == most {
            least.to_string()
        } else {
            format!("{least} to {most} (median {median})")
        })
    };
    let mut channels: BTreeMap<usize, usize> = BTreeMap::new();
    shapes.iter().for_each(|shape| *channels.entry(shape[0]).or_default() += 1);
    let named = |count: usize| {
        if count == 1 { "1 channel".to_owned() } else { format!("{count} channels") }
    };
    let channels = match channels.len() {
        1 => channels.keys().map(|&count| named(count)).collect(),
        _ => {
            let each =
                channels.iter().map(|(&count, images)| format!("{images} with {}", named(count)));
            each.collect::<Vec<_>>().join(", ")
        }
    };
    let read =
        if shapes.len() < all { format!("{} of {all}", shapes.len()) } else { all.to_string() };
    Some(format!("{read} images: height {}, width {}; {channels}", range(1)?, range(2)?))
}

/// Returns a warning if images are enlarged to more than twice their size.
fn enlarged(shapes: &[[usize; 3]], enlargement: impl Fn([usize; 2]) -> f64) -> Option<String> {
    let mut factors: Vec<f64> =
        shapes.iter().map(|&[_, height, width]| enlargement([height, width])).collect();
    factors.retain(|&factor| factor > ENLARGED);
    factors.sort_by(f64::total_cmp);
    let largest = factors.last()?;
    Some(format!(
        "{} of {} images are enlarged to more than twice their size (up to {largest:.1} times), which adds no detail: a smaller size \
         in recipe.transforms and recipe.test_transforms trains faster",
        factors.len(),
        shapes.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_channels_are_described() {
        let shapes = [[3, 480, 640], [1, 100, 160], [3, 480, 640], [4, 2000, 90]];
        let said = stored_images(4, |index| Ok(shapes[index]), |[height, _]| 240.0 / height as f64)
            .unwrap();
        let sizes = "4 images: height 100 to 2000 (median 480), width 90 to 640 (median 160); 1 with 1 channel, 2 with 3 \
                     channels, 1 with 4 channels";
        assert_eq!(said.notes, [sizes]);
        assert!(said.warnings[0].starts_with(
            "1 of 4 images are enlarged to more than twice their size (up to 2.4 times)"
        ));
        let alike = stored_images(3, |_| Ok([1, 8, 8]), |_| 2.0).unwrap();
        assert_eq!(
            alike,
            Facts {
                notes: vec!["3 images: height 8, width 8; 1 channel".to_owned()],
                warnings: vec![]
            }
        );
        assert_eq!(stored_images(0, |_| Ok([1, 8, 8]), |_| 9.0).unwrap(), Facts::default());
    }

    #[test]
    fn only_some_headers_of_many_images_are_read() {
        let said = stored_images(50_000, |index| Ok([3, index + 1, 5]), |_| 1.0).unwrap();
        assert_eq!(
            said.notes,
            ["2000 of 50000 images: height 1 to 49976 (median 24976), width 5; 3 channels"]
        );
        let error = |index: usize| {
            if index < 3 { Ok([3, 1, 1]) } else { Err(mbls_data::Error::Index { index, len: 3 }) }
        };
        assert!(stored_images(9, error, |_| 1.0).unwrap_err().to_string().contains('3'));
    }
}
