//! Splits against numpy (`fixtures/splits`), near duplicates against the comparison of all pairs.

use mbls_data::Seed;
use mbls_nlp::dataset::{
    Division, DuplicateConfig, Parts, duplicate_groups, grouped_split, published_split,
};
use mbls_testkit::golden;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_published_split_is_that_of_numpy() {
    let values = golden::fixture("splits/texts.json");
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    for case in values["cases"].as_array().unwrap() {
        let parts = published_split(number(&case["n"]), number(&case["seed"]) as u32).unwrap();
        let found = [&parts.train, &parts.validation, &parts.test];
        for (part, expected) in found.into_iter().zip(case["parts"].as_array().unwrap()) {
            let numbers = |field: &str| {
                expected[field].as_array().unwrap().iter().map(number).collect::<Vec<_>>()
            };
            assert_eq!(part.len(), number(&expected["size"]));
            assert_eq!(
                (part[..8].to_vec(), part[part.len() - 8..].to_vec()),
                (numbers("first"), numbers("last"))
            );
            assert_eq!(
                part.iter().enumerate().map(|(i, x)| i * x).sum::<usize>(),
                number(&expected["checksum"])
            );
        }
    }
    for n in [0, 4, 1125] {
        assert!(
            published_split(n, 1).unwrap_err().to_string().contains("leave a part empty"),
            "{n}"
        );
    }
    assert_eq!(published_split(1126, 1).unwrap().train.len(), 1);
}

/// Computes sets of shingles, and merges groups by comparing all pairs repeatedly.
fn slow_groups(texts: &[String], config: DuplicateConfig) -> Vec<usize> {
    let sets: Vec<BTreeSet<Vec<&str>>> = texts
        .iter()
        .map(|text| {
            let words: Vec<&str> = text.split_whitespace().collect();
            match words.len() {
                0 => BTreeSet::new(),
                short if short < config.shingle => BTreeSet::from([words]),
                _ => words.windows(config.shingle).map(<[_]>::to_vec).collect(),
            }
        })
        .collect();
    let near = |a: &BTreeSet<_>, b: &BTreeSet<_>| {
        let (shared, all) = (a.intersection(b).count(), a.union(b).count());
        shared as f64 >= config.similarity * all as f64
    };
    let mut groups: Vec<usize> = (0..texts.len()).collect();
    loop {
        let before = groups.clone();
        for i in 0..texts.len() {
            for j in 0..texts.len() {
                if near(&sets[i], &sets[j]) {
                    groups[j] = groups[i].min(groups[j]);
                }
            }
        }
        if groups == before {
            return groups;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_near_copy_is_missed(
        texts in prop::collection::vec("([abc] ){0,9}", 1..14),
        shingle in 1usize..4,
        similarity in prop_oneof![Just(0.5), Just(0.6), Just(0.8), Just(1.0), 0.05f64..1.0],
    ) {
        let config = DuplicateConfig { shingle, similarity };
        prop_assert_eq!(duplicate_groups(&texts, &config).unwrap(), slow_groups(&texts, config));
    }

    #[test]
    fn groups_stay_together_and_classes_are_shared_out(
        items in prop::collection::vec((0u32..3, 0usize..90), 120..200), seed in any::<u64>(),
    ) {
        let (labels, groups): (Vec<u32>, Vec<usize>) = items.into_iter().unzip();
        let counts = |part: &[usize]| {
            let mut counts = [0i64; 3];
            part.iter().for_each(|&index| counts[labels[index] as usize] += 1);
            counts
        };
        let all = counts(&(0..labels.len()).collect::<Vec<_>>());
        prop_assume!(all.iter().all(|&count| count > 10));
        let Parts { train, validation, test } = grouped_split(&labels, &groups, 12, 24, Seed(seed)).unwrap();
        let mut place = BTreeMap::new();
        let mut seen = 0;
        for (part, indices) in [&train, &validation, &test].into_iter().enumerate() {
            prop_assert!(indices.is_sorted());
            for &index in indices {
                prop_assert_eq!(*place.entry(groups[index]).or_insert(part), part);
                seen += 1;
            }
        }
        prop_assert_eq!(seen, labels.len());
        // With more groups than single items, sizes are close to those requested, never above.
        for (part, size) in [(&validation, 12i64), (&test, 24)] {
            prop_assert!(part.len() as i64 <= size && part.len() as i64 >= size - 5, "{} of {}", part.len(), size);
            for (count, of) in counts(part).into_iter().zip(all) {
                prop_assert!(count <= of * size / labels.len() as i64 + 2);
            }
        }
    }
}

#[test]
fn sizes_are_exact_where_single_items_suffice() {
    let labels: Vec<u32> = (0..400).map(|i| i % 4).collect();
    let groups: Vec<usize> = (0..400).map(|i| if i < 40 { i / 2 } else { i }).collect();
    let split = |seed| grouped_split(&labels, &groups, 40, 80, Seed(seed)).unwrap();
    let parts = split(1);
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (280, 40, 80));
    for class in 0..4 {
        let of_class =
            |part: &[usize]| part.iter().filter(|&&index| labels[index] == class).count();
        assert_eq!([of_class(&parts.validation), of_class(&parts.test)], [10, 20]);
    }
    assert_eq!(parts, split(1));
    assert_ne!(parts, split(2));
    // Every part has duplicates, roughly in proportion to its size.
    let copies = |part: &[usize]| part.iter().filter(|&&index| index < 40).count();
    let mean = |of: fn(&Parts) -> &Vec<usize>| {
        (0..50).map(|seed| copies(of(&split(seed)))).sum::<usize>() as f64 / 50.0
    };
    assert!((mean(|parts| &parts.test) - 8.0).abs() < 2.0, "{}", mean(|parts| &parts.test));
    assert!((mean(|parts| &parts.train) - 28.0).abs() < 3.0, "{}", mean(|parts| &parts.train));
}

#[test]
fn splits_and_similarities_that_cannot_be_are_refused() {
    let error = |validation, test, groups: &[usize]| {
        grouped_split(&[0, 0, 0, 1, 1, 1], groups, validation, test, Seed(1))
            .unwrap_err()
            .to_string()
    };
    let single = [0, 1, 2, 3, 4, 5];
    assert!(
        error(0, 2, &single).contains("leave a part empty")
            && error(4, 2, &single).contains("leave a part empty")
    );
    assert!(error(usize::MAX, usize::MAX, &single).contains("leave a part empty"));
    assert!(error(1, 2, &single).contains("no room for each of 2 classes"));
    assert!(error(2, 2, &single[1..]).starts_with("groups: expected 6"));
    assert!(error(2, 2, &[0; 6]).contains("groups of duplicates leave nothing"));
    for (shingle, similarity) in [(0, 0.5), (1, 0.0), (1, 1.1), (1, f64::NAN), (1, -1.0)] {
        assert!(duplicate_groups(&["a"], &DuplicateConfig { shingle, similarity }).is_err());
    }
    assert_eq!(duplicate_groups(&[""; 3], &DuplicateConfig::default()).unwrap(), [0, 0, 0]);
}

#[test]
fn parts_of_a_set_are_kept_and_what_they_lack_is_split_off() {
    let labels: Vec<u32> = (0..40).map(|i| i % 2).collect();
    // 3 is a duplicate of 35, and 5 of 36.
    let groups: Vec<usize> = (0..40)
        .map(|i| {
            if i == 3 {
                35
            } else if i == 5 {
                36
            } else {
                i
            }
        })
        .collect();
    let division = |validation, test| Division { train: 0..30, validation, test };
    let split = |division: &Division, sizes: [usize; 2]| {
        division.split(&labels, &groups, sizes[0], sizes[1], Seed(1))
    };

    let parts = split(&division(Some(30..34), Some(34..40)), [4, 6]).unwrap();
    assert_eq!((parts.validation, parts.test), ((30..34).collect(), (34..40).collect()));
    assert_eq!(parts.train, (0..30).filter(|i| ![3, 5].contains(i)).collect::<Vec<_>>());
    // Fewer test texts, so 36 is not used.
    let parts = split(&division(None, Some(34..40)), [4, 2]).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test), (25, 4, vec![34, 35]));
    let parts = split(&division(Some(30..34), None), [4, 6]).unwrap();
    assert_eq!(
        (parts.train.len(), parts.validation, parts.test.len()),
        (24, (30..34).collect(), 6)
    );
    assert_eq!(
        split(&Division::whole(40), [4, 6]).unwrap(),
        grouped_split(&labels, &groups, 4, 6, Seed(1)).unwrap()
    );

    let error = |division: &Division, sizes| split(division, sizes).unwrap_err().to_string();
    assert_eq!(
        error(&division(None, Some(34..40)), [4, 7]),
        "test: expected at most 6 within 40 texts, found 7"
    );
    assert_eq!(
        error(&division(Some(38..44), None), [6, 2]),
        "validation: expected at most 6 within 40 texts, found 6"
    );
    assert!(error(&Division::whole(41), [4, 6]).starts_with("train: expected texts below 40"));
    let few =
        Division::whole(40).split(&labels, &groups[1..], 4, 6, Seed(1)).unwrap_err().to_string();
    assert_eq!(few, "groups: expected 40, one of each label, found 39");
}
