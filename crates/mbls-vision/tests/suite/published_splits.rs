//! Compares the published splits with NumPy running the steps of the published code
//! (`fixtures/splits`).

use mbls_testkit::golden;
use mbls_vision::dataset::{Parts, published_split, published_split_per_class};
use serde_json::Value;

fn values() -> Value {
    golden::fixture("splits/splits.json")
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn assert_parts(found: &Parts, case: &Value) {
    for (part, expected) in
        [&found.train, &found.validation].into_iter().zip(case["parts"].as_array().unwrap())
    {
        let numbers = |field: &str| {
            expected[field].as_array().unwrap().iter().map(number).collect::<Vec<_>>()
        };
        let (first, last) = (numbers("first"), numbers("last"));
        assert_eq!(part.len(), number(&expected["size"]));
        assert_eq!(part[..first.len()], first);
        assert_eq!(part[part.len() - last.len()..], last);
        assert_eq!(
            part.iter().enumerate().map(|(i, x)| i * x).sum::<usize>(),
            number(&expected["checksum"])
        );
    }
}

#[test]
fn a_tenth_is_the_published_one() {
    for case in values()["tenth"].as_array().unwrap() {
        let seed = number(&case["seed"]) as u32;
        assert_parts(&published_split(number(&case["n"]), seed).unwrap(), case);
    }
    let error = published_split(9, 1).unwrap_err().to_string();
    assert!(error.contains("a tenth of 9"), "{error}");
}

#[test]
fn so_many_of_each_class_are_the_published_ones() {
    for case in values()["per_class"].as_array().unwrap() {
        let runs = case["runs"].as_array().unwrap();
        let labels: Vec<u32> = runs
            .iter()
            .flat_map(|run| std::iter::repeat_n(number(&run[0]) as u32, number(&run[1])))
            .collect();
        let (count, seed) = (number(&case["count"]), number(&case["seed"]) as u32);
        assert_parts(&published_split_per_class(&labels, count, seed).unwrap(), case);
    }
    for (labels, count) in [(&[0, 0, 1][..], 1), (&[0, 0], 0), (&[0, 0], 2)] {
        let error = published_split_per_class(labels, count, 1).unwrap_err().to_string();
        assert!(error.contains("cannot split"), "{error}");
    }
}
