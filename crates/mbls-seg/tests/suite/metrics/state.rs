use super::{Set, VOID, sets};
use mbls_core::metric::{Metric, SegmentationProtocol};
use mbls_seg::metric::{SegmentationMetrics, SegmentationSettings};
use mbls_testkit::golden;
use proptest::prelude::*;
use serde_json::{Value, json};

fn metrics(set: &Set, published: bool) -> SegmentationMetrics {
    let settings = SegmentationSettings {
        bins: 5,
        published,
        classwise: set.classes != 3,
        ..Default::default()
    };
    SegmentationMetrics::new(set.classes, settings).unwrap()
}

fn reloaded(metrics: &SegmentationMetrics) -> SegmentationMetrics {
    let text = serde_json::to_string(metrics).unwrap();
    let restored: SegmentationMetrics = serde_json::from_str(&text).unwrap();
    assert_eq!(&restored, metrics, "{text}");
    assert_eq!(serde_json::to_string(&restored).unwrap(), text);
    restored
}

/// Returns a report as text that determines every bit of its floats.
fn bits(metrics: &SegmentationMetrics) -> String {
    format!("{:?}", metrics.value())
}

/// Generates a data set, and batches of its images in another order.
fn shuffled_sets() -> impl Strategy<Value = (Set, Vec<Vec<u64>>)> {
    (sets(1..9), 1usize..5).prop_flat_map(|(set, size)| {
        let order = Just(set.indices()).prop_shuffle();
        (Just(set), order.prop_map(move |order| order.chunks(size).map(<[u64]>::to_vec).collect()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// All metrics except for the published protocol are independent of the batches.
    #[test]
    fn order_batches_and_shards_change_nothing((set, batches) in shuffled_sets()) {
        let empty = metrics(&set, false);
        prop_assert!(empty.value().is_none());
        let mut whole = empty.clone();
        set.add(&mut whole, &set.indices()).unwrap();
        let (mut streamed, mut merged) = (empty.clone(), reloaded(&empty));
        for batch in &batches {
            set.add(&mut streamed, batch).unwrap();
        }
        prop_assert_eq!(&streamed, &whole);
        for batch in batches.iter().rev() {
            let mut shard = empty.clone();
            set.add(&mut shard, batch).unwrap();
            merged.merge(reloaded(&shard)).unwrap();
            merged = reloaded(&merged);
        }
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(bits(&merged), bits(&whole));
        merged.merge(empty.clone()).unwrap();
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(whole.value().unwrap().published, None);
    }

    /// The published protocol is a mean over batches, in any order and for any sharding.
    #[test]
    fn order_and_shards_of_the_same_batches_change_nothing((set, batches) in shuffled_sets()) {
        let empty = metrics(&set, true);
        let (mut streamed, mut merged) = (empty.clone(), empty.clone());
        let (mut n, mut sums, mut empty_batches) = (0, [0.0; 2], 0);
        for batch in &batches {
            set.add(&mut streamed, batch).unwrap();
            let mut shard = empty.clone();
            set.add(&mut shard, batch).unwrap();
            let published = shard.value().unwrap().published.unwrap();
            prop_assert_eq!(published.batches + published.empty_batches, 1);
            let foreground = batch.iter().flat_map(|&i| &set.images[i as usize].1).filter(|l| **l != 0 && **l != VOID);
            match published.calibration {
                Some(report) => {
                    prop_assert_eq!((report.protocol, report.n), (SegmentationProtocol::Reference, foreground.count() as u64));
                    n += report.n;
                    sums[0] += report.ece * report.n as f64;
                    sums[1] += report.nll * report.n as f64;
                }
                None => {
                    prop_assert_eq!(foreground.count(), 0);
                    empty_batches += 1;
                }
            }
        }
        for batch in batches.iter().rev() {
            let mut shard = reloaded(&empty);
            set.add(&mut shard, batch).unwrap();
            merged.merge(reloaded(&shard)).unwrap();
        }
        prop_assert_eq!(&merged, &streamed);
        prop_assert_eq!(bits(&merged), bits(&streamed));
        let published = merged.value().unwrap().published.unwrap();
        prop_assert_eq!(published.empty_batches, empty_batches);
        prop_assert_eq!(published.batches + empty_batches, batches.len() as u64);
        match published.calibration {
            None => prop_assert_eq!(n, 0),
            Some(report) => {
                prop_assert_eq!(report.n, n);
                for (found, sum) in [report.ece, report.nll].into_iter().zip(sums) {
                    prop_assert!((found - sum / n as f64).abs() < 1e-12);
                }
            }
        }
    }
}

/// The images have more pixels than one chunk of a thread.
#[test]
fn threads_change_nothing() {
    let (classes, height, width) = (3, 300, 600);
    let logits = |seed: usize| {
        (0..classes * height * width).map(move |i| (i * 7919 % (997 + seed)) as f32 / 100.0)
    };
    let class = move |i: usize, seed: usize| (i % width / 50 + i / (width * 35) + seed) % 4;
    let labels = |seed: usize| (0..height * width).map(move |i| class(i, seed) as u32);
    let label = |label: u32| if label == 3 { VOID } else { label };
    let image = |seed: usize| (logits(seed).collect(), labels(seed).map(label).collect());
    let set = Set { classes, height, width, images: (0..2).map(image).collect() };
    let measured = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut metrics = metrics(&set, true);
        pool.install(|| set.add(&mut metrics, &set.indices())).unwrap();
        metrics
    });
    assert_eq!(bits(&measured[0]), bits(&measured[1]));
    assert!(measured[0] == measured[1] && measured[1] == measured[2]);
    assert!(measured[0].value().unwrap().bands.iter().all(|band| band.pixels > 0));
}

fn small_set() -> Set {
    let logits: Vec<f32> = (0..2 * 12).map(|i| (i * 5 % 7) as f32).collect();
    Set {
        classes: 2,
        height: 2,
        width: 6,
        images: vec![(logits, vec![0, 0, 1, 1, VOID, 1, 0, 0, 0, 1, 1, 1])],
    }
}

/// States saved by commit 29671d3 are read, have the same values, and are saved unchanged.
#[test]
fn saved_states_read_as_they_were() {
    let states = golden::fixture("saved-states/segmentation.json");
    let read = |name: &str| {
        let text = states[name]["state"].as_str().unwrap();
        let metrics: SegmentationMetrics = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&metrics).unwrap(), text, "{name}");
        metrics
    };
    let (empty, full) = (read("segmentation-metrics-empty"), read("segmentation-metrics-full"));
    assert_eq!(bits(&full), states["segmentation-metrics-full"]["value"].as_str().unwrap());
    assert_eq!(
        (full.empty(), full.name(), full.version()),
        (empty.clone(), "segmentation-metrics", 1)
    );
    assert!(empty.value().is_none() && full.size() > empty.size());
    let mut merged = empty;
    merged.check_merge(&full).unwrap();
    merged.merge(full.clone()).unwrap();
    assert_eq!(merged, full);
    assert!(full.check_merge(&full).is_err(), "every image was added before");
}

#[test]
fn states_that_contradict_themselves_are_refused() {
    let set = small_set();
    let mut metrics = metrics(&set, true);
    set.add(&mut metrics, &[0]).unwrap();
    let saved = serde_json::to_value(&metrics).unwrap();
    let refused = |path: &str, value: Value| {
        let mut saved = saved.clone();
        *saved.pointer_mut(path).expect(path) = value;
        serde_json::from_value::<SegmentationMetrics>(saved).expect_err(path).to_string()
    };
    let other = {
        let mut other = metrics.clone();
        let mut second = set.clone();
        second.images.push((vec![0.0; 24], vec![1; 12]));
        second.add(&mut other, &[1]).unwrap();
        serde_json::to_value(other).unwrap()
    };
    let cases = [
        ("/metric", json!("nll"), "metric \"nll\": expected \"segmentation-metrics\""),
        ("/version", json!(2), "version 2 of segmentation-metrics: expected 1"),
        ("/state/classes", json!(1), "classes = 1"),
        ("/state/classes", json!(3), "groups: 12 and 8"),
        ("/state/settings/bins", json!(0), "bins = 0"),
        ("/state/settings/bins", json!(6), "bins: 6 and 5"),
        ("/state/settings/bands", json!([3, 2]), "distance bands"),
        ("/state/settings/bands", json!([3]), "bands of the settings and matrices: 2 and 4"),
        ("/state/settings/published", json!(false), "published protocol: false and true"),
        ("/state/settings/classwise", json!(false), "classwise errors: false and true"),
        ("/state/parts/classwise", json!(null), "classwise errors: true and false"),
        ("/state/published", json!(null), "published protocol: true and false"),
        ("/state/published/batches", json!(2), "2 batches of 6 pixels, 0 empty, 1 images"),
        ("/state/published/batches", json!(0), "0 batches of 6 pixels"),
        ("/state/published/empty_batches", json!(u64::MAX), "18446744073709551615 empty"),
        ("/state/pictures", json!({}), "the diagrams of its 0 images do not add up"),
        (
            "/state/parts/nll",
            other["state"]["parts"]["nll"].clone(),
            "pixels of the classes: 23 and 11",
        ),
        (
            "/state/parts/classwise",
            other["state"]["parts"]["classwise"].clone(),
            "pixels of the classes: 11 and 23",
        ),
        (
            "/state/parts/confusion/0",
            other["state"]["parts"]["confusion"][3].clone(),
            "pixels of a band predicted as a class",
        ),
        (
            "/state/parts/reliability",
            other["state"]["parts"]["reliability"].clone(),
            "pixels of a band predicted as a class",
        ),
    ];
    for (path, value, expected) in cases {
        let message = refused(path, value);
        assert!(message.contains(expected), "{path}: {message}, expected {expected}");
    }
    let mut without_images = serde_json::to_value(self::metrics(&set, true)).unwrap();
    without_images["state"]["void_pixels"] = json!(3);
    let message =
        serde_json::from_value::<SegmentationMetrics>(without_images).unwrap_err().to_string();
    assert!(message.contains("3 void pixels without an image"), "{message}");
}

#[test]
fn accumulators_of_other_settings_do_not_merge() {
    let set = small_set();
    let mut full = metrics(&set, true);
    set.add(&mut full, &[0]).unwrap();
    let before = full.clone();
    let settings = SegmentationSettings { bins: 5, ..Default::default() };
    let others = [
        (SegmentationMetrics::new(3, settings.clone()), "classes is 2 and 3"),
        (
            SegmentationMetrics::new(2, SegmentationSettings { bins: 6, ..settings.clone() }),
            "settings is",
        ),
        (
            SegmentationMetrics::new(2, SegmentationSettings { void: vec![], ..settings.clone() }),
            "settings is",
        ),
        (
            SegmentationMetrics::new(
                2,
                SegmentationSettings { published: false, ..settings.clone() },
            ),
            "settings is",
        ),
        (
            SegmentationMetrics::new(2, SegmentationSettings { classwise: false, ..settings }),
            "settings is",
        ),
    ];
    for (other, expected) in others {
        let message = full.merge(other.unwrap()).unwrap_err().to_string();
        assert!(
            message.starts_with("cannot merge metrics of different settings")
                && message.contains(expected),
            "{message}"
        );
    }
    let message = full.merge(before.clone()).unwrap_err().to_string();
    assert_eq!(message, "image = 0: expected one that was not added before");
    assert_eq!(full, before);
}
