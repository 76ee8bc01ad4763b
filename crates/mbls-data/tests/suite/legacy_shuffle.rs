//! Compares the legacy shuffle with values of NumPy (`transforms.json` of the golden directory).

use mbls_data::LegacyShuffle;
use mbls_testkit::golden;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

#[test]
fn permutations_are_numpys() {
    let file = golden::json("transforms.json");
    let cases = file["numpy_legacy_shuffle"].as_object().unwrap();
    assert!(!cases.is_empty());
    for (name, case) in cases {
        let (seed, n) = name.strip_prefix("seed").and_then(|rest| rest.split_once('_')).unwrap();
        let n: usize = n.trim_start_matches(char::is_alphabetic).parse().unwrap();
        let found = LegacyShuffle::new(seed.parse().unwrap()).permutation(n).unwrap();
        if case.is_array() {
            assert_eq!(found, numbers(case), "{name}");
            continue;
        }
        assert_eq!(found[..20], numbers(&case["first20"]), "{name}");
        assert_eq!(found[n - 5..], numbers(&case["last5"]), "{name}");
        let sum: usize = found.iter().enumerate().map(|(i, x)| i * x).sum();
        assert_eq!(Some(sum as u64), case["checksum_sum_i_times_idx"].as_u64(), "{name}");
    }
}

#[test]
fn a_generator_goes_on() {
    // NumPy 2.4: np.random.seed(7), then two shuffles of list(range(10)) and one of list(range(3)).
    let mut shuffle = LegacyShuffle::new(7);
    assert_eq!(shuffle.permutation(10).unwrap(), A);
    assert_eq!(shuffle.permutation(10).unwrap(), B);
    assert_eq!(shuffle.permutation(3).unwrap(), C);
}

#[test]
fn few_items_draw_nothing() {
    let mut shuffle = LegacyShuffle::new(7);
    assert!(shuffle.permutation(0).unwrap().is_empty());
    assert_eq!(shuffle.permutation(1).unwrap(), [0]);
    assert_eq!(shuffle.permutation(10).unwrap(), A);
    assert!(shuffle.permutation(usize::MAX).is_err());
}

const A: [usize; 10] = [8, 5, 0, 2, 1, 9, 7, 3, 6, 4];
const B: [usize; 10] = [1, 3, 2, 5, 9, 0, 4, 6, 7, 8];
const C: [usize; 3] = [1, 2, 0];
