//! Tests on real data sets in `MBLS_DATA_DIR`; skipped if they are missing.

use mbls_data::{Collate, Dataset, Seed};
use mbls_seg::dataset::{
    ClassList, SegmentationCollate, SegmentationConfig, SegmentationFiles, VOID, voc, voc_layout,
};
use mbls_seg::transform::{JointTransform, apply_all};
use mbls_testkit::data;
use mbls_vision::transform::Normalise;
use std::path::Path;

fn camvid(dir: &Path, split: &str) -> SegmentationFiles {
    let classes = ClassList::read(dir.join("classes.txt")).unwrap();
    voc_layout::load(dir, split, classes, SegmentationConfig::default()).unwrap()
}

#[test]
fn camvid_has_the_known_pixels() {
    let Some(dir) = data("camvid-voc") else { return };
    let (mut total, mut void) = (vec![0; 11], 0);
    for (split, images) in [("train", 367), ("val", 101), ("test", 233)] {
        let files = camvid(&dir, split);
        assert_eq!(files.len(), images, "{split}");
        assert_eq!(files.classes().names()[10], "Bicyclist");
        let counts = files.class_counts(&(0..images).collect::<Vec<_>>()).unwrap();
        assert_eq!(counts.classes.iter().sum::<u64>() + counts.void, images as u64 * 480 * 360);
        total.iter_mut().zip(counts.classes).for_each(|(sum, count)| *sum += count);
        void += counts.void;
        for index in [0, images / 2, images - 1] {
            assert_eq!(files.get(index, Seed(0)).unwrap().size(), [360, 480], "{split} {index}");
        }
    }
    assert_eq!(
        total,
        [
            19155369, 29187991, 1195743, 35520717, 8098693, 13548782, 1306195, 1728599, 5623717,
            774148, 648197
        ]
    );
    assert_eq!(void, 4344649);
    let both = camvid(&dir, "trainval");
    assert_eq!(
        (both.len(), both.pairs()[0].image.as_path()),
        (468, Path::new("0001TP_006690.jpg"))
    );
}

/// Facts about an image and its mask, read by PIL: the part (0 for training), the index, the number
/// of pixels of each class, and the sums of red, green and blue.
type Known = (usize, usize, &'static [(u8, usize)], [i64; 3]);

const PIL: [Known; 5] = [
    (0, 0, &[(0, 125767), (5, 873), (15, 32900), (VOID, 9460)], [16476247, 15503503, 14395453]),
    (
        0,
        1,
        &[(0, 93492), (9, 44306), (15, 34791), (18, 14002), (VOID, 909)],
        [16463168, 11525689, 5658416],
    ),
    (0, 2, &[(0, 62022), (6, 118222), (7, 7256)], [22224046, 18946357, 15917213]),
    (1, 0, &[(0, 143868), (1, 30937), (VOID, 8195)], [30031347, 29490336, 29034020]),
    (1, 1, &[(0, 54389), (2, 34183), (15, 61143), (VOID, 17285)], [26882321, 24037547, 21648910]),
];

#[test]
fn voc_sample_is_what_pil_finds() {
    let Some(dir) = data("voc-sample") else { return };
    let train = voc::load(dir.join("VOCdevkit"), "train", SegmentationConfig::default()).unwrap();
    let val = voc::load(&dir, "val", SegmentationConfig::default()).unwrap();
    assert_eq!((train.len(), val.len()), (3, 2));
    assert_eq!(voc::load(&dir, "trainval", SegmentationConfig::default()).unwrap().len(), 5);
    let mut sizes = Vec::new();
    for (files, index, expected, sums) in PIL {
        let sample = [&train, &val][files].get(index, Seed(0)).unwrap();
        sizes.push(sample.size());
        let count = |class: u8| sample.mask.classes.iter().filter(|&&found| found == class).count();
        let known: usize = expected
            .iter()
            .map(|&(class, pixels)| {
                assert_eq!(count(class), pixels, "{files} {index}: class {class}");
                pixels
            })
            .sum();
        assert_eq!(
            known,
            sample.mask.classes.len(),
            "{files} {index}: classes that PIL does not find"
        );
        let plane = sample.mask.classes.len();
        for (channel, sum) in sample.image.pixels.chunks(plane).zip(sums) {
            let found: i64 = channel.iter().map(|&value| i64::from(value)).sum();
            // Decoders round subsampled chroma differently. The difference averages out over an
            // image.
            assert!((found - sum).abs() < plane as i64 / 2, "{files} {index}: {found} for {sum}");
        }
    }
    assert_eq!(sizes, [[338, 500], [375, 500], [375, 500], [366, 500], [500, 334]]);
}

#[test]
fn the_papers_chains_take_real_images() {
    let Some(dir) = data("voc-sample") else { return };
    let val = voc::load(&dir, "trainval", SegmentationConfig::default()).unwrap();
    let collate = SegmentationCollate::new(&Normalise::imagenet()).unwrap();
    for (transforms, side) in
        [(JointTransform::voc_train(), 512), (JointTransform::voc_validation(), 480)]
    {
        let samples = (0..val.len()).map(|index| {
            let sample = val.get(index, Seed(0)).unwrap();
            apply_all(&transforms, sample, Seed(7).at(index as u64)).unwrap()
        });
        let batch = collate.collate(samples.collect()).unwrap();
        assert_eq!(batch.shape, [5, 3, side, side]);
        assert!(batch.labels.iter().all(|&class| class < 21 || class == u32::from(VOID)));
        assert!(batch.pixels.iter().all(|value| (-2.2..2.7).contains(value)));
        // At least half of each sample is not padding.
        assert!(
            batch.valid_pixels.iter().all(|&pixels| pixels > side * side / 2),
            "{:?}",
            batch.valid_pixels
        );
    }
}
