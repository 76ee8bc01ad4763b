//! Metrics whose states merge: values are bit-identical for any order of the rows, batches and
//! shards, with saving and loading in between.

mod classification;
mod grouped;
mod logits;
mod ranking;
mod segmentation;

use mbls_core::metric::Metric;
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// Generates the rows `0..n` in a random order, divided into batches.
fn batches(n: impl Strategy<Value = usize>) -> impl Strategy<Value = (usize, Vec<Vec<usize>>)> {
    (n, 1usize..20).prop_flat_map(|(n, size)| {
        let order = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
        order.prop_map(move |order| (n, order.chunks(size).map(<[usize]>::to_vec).collect()))
    })
}

/// Returns a saved and loaded copy, which must be equal.
fn reloaded<M: Serialize + DeserializeOwned + PartialEq + Debug>(metric: &M) -> M {
    let text = serde_json::to_string(metric).unwrap();
    let restored = serde_json::from_str(&text).unwrap();
    assert_eq!(&restored, metric, "{text}");
    assert_eq!(serde_json::to_string(&restored).unwrap(), text);
    restored
}

/// Returns a value with every bit of its floats.
fn bits<M: Metric<Value: Debug>>(metric: &M) -> String {
    format!("{:?}", metric.value())
}

/// Adds rows `0..n` at once, and adds the batches to shards that are saved, loaded and merged from
/// last to first.
fn check<M>(empty: M, (n, batches): &(usize, Vec<Vec<usize>>), add: impl Fn(&mut M, &[usize]))
where
    M: Metric<Value: Debug> + Serialize + DeserializeOwned + PartialEq + Debug,
{
    assert!(empty.value().is_none(), "a value without rows");
    let mut whole = empty.clone();
    add(&mut whole, &(0..*n).collect::<Vec<_>>());

    let mut streamed = empty.clone();
    batches.iter().for_each(|batch| add(&mut streamed, batch));
    assert_eq!(streamed, whole);
    assert_eq!(bits(&streamed), bits(&whole));

    let mut merged = reloaded(&empty);
    for batch in batches.iter().rev() {
        let mut shard = empty.clone();
        add(&mut shard, batch);
        merged.merge(reloaded(&shard)).unwrap();
        merged = reloaded(&merged);
    }
    assert_eq!(merged, whole);
    assert_eq!(bits(&merged), bits(&whole));
    merged.merge(empty.clone()).unwrap();
    assert_eq!(merged, whole);
    let mut first = empty;
    first.merge(merged).unwrap();
    assert_eq!(first, whole);
    assert_eq!(bits(&first), bits(&whole));
}

/// Returns the error message for an invalid saved state.
fn refused<M: DeserializeOwned + Debug>(metric: &str, state: serde_json::Value) -> String {
    let text = serde_json::json!({"metric": metric, "version": 1, "state": state}).to_string();
    serde_json::from_str::<M>(&text).expect_err(&text).to_string()
}
