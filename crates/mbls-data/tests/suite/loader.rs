//! Tests of the loader: order, independence of the number of workers, errors, dropping.

use mbls_data::{Collate, DataLoader, Dataset, Error, LoaderConfig, Order, Result, Seed, Subset};
use mbls_io::with_causes;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Items are (index, seed), which shows the content of a batch and its randomness.
struct Numbers {
    len: usize,
    fail: Option<(usize, Failure)>,
    made: AtomicUsize,
    delay: Duration,
}

#[derive(Clone, Copy)]
enum Failure {
    Error,
    Panic,
}

fn numbers(len: usize) -> Numbers {
    Numbers { len, fail: None, made: AtomicUsize::new(0), delay: Duration::ZERO }
}

impl Dataset for Numbers {
    type Item = (usize, Seed);

    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize, seed: Seed) -> Result<Self::Item> {
        self.made.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.delay);
        match self.fail {
            Some((at, Failure::Error)) if at == index => Err(Error::Other("broken image".into())),
            Some((at, Failure::Panic)) if at == index => panic!("bad image {index}"),
            _ => Ok((index, seed)),
        }
    }
}

struct Together;

impl<I: Send> Collate<I> for Together {
    type Batch = Vec<I>;

    fn collate(&self, items: Vec<I>) -> Result<Vec<I>> {
        Ok(items)
    }
}

fn config(batch_size: usize, order: Order, workers: usize) -> LoaderConfig {
    LoaderConfig { batch_size, order, drop_last: false, workers, seed: Seed(5) }
}

fn loader(dataset: Numbers, config: LoaderConfig) -> DataLoader<Numbers, Together> {
    DataLoader::new(Arc::new(dataset), Arc::new(Together), config).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_do_not_depend_on_the_workers(
        len in 0usize..120,
        batch_size in 1usize..17,
        shuffled in any::<bool>(),
        drop_last in any::<bool>(),
        seed in any::<u64>(),
        epoch in 0usize..4,
    ) {
        let order = if shuffled { Order::Shuffled } else { Order::Sequential };
        let run = |workers| {
            let config = LoaderConfig { batch_size, order, drop_last, workers, seed: Seed(seed) };
            let loader = loader(numbers(len), config);
            let batches = loader.epoch(epoch).collect::<Result<Vec<_>>>().unwrap();
            assert_eq!(batches.len(), loader.len());
            batches
        };
        let batches = run(0);
        for workers in [1, 2, 4, 9] {
            prop_assert_eq!(&run(workers), &batches);
        }
        // The batches from any batch on are the same, also from beyond the last one.
        for first in [0, 1, batches.len() / 2, batches.len(), batches.len() + 3] {
            for workers in [0, 1, 2, 9] {
                let config = LoaderConfig { batch_size, order, drop_last, workers, seed: Seed(seed) };
                let rest = loader(numbers(len), config).epoch_from(epoch, first).collect::<Result<Vec<_>>>().unwrap();
                prop_assert_eq!(&rest[..], batches.get(first..).unwrap_or_default());
            }
        }
        let full = len / batch_size * batch_size;
        let expected = if drop_last { full } else { len };
        let indices: Vec<usize> = batches.iter().flatten().map(|item| item.0).collect();
        prop_assert_eq!(indices.len(), expected);
        prop_assert_eq!(indices.iter().collect::<HashSet<_>>().len(), expected, "an index came twice");
        prop_assert!(indices.iter().all(|&i| i < len));
        prop_assert!(batches.iter().rev().skip(1).all(|batch| batch.len() == batch_size));
        if !shuffled {
            prop_assert_eq!(indices, (0..expected).collect::<Vec<_>>());
        }
        let seeds: HashSet<Seed> = batches.iter().flatten().map(|item| item.1).collect();
        prop_assert_eq!(seeds.len(), expected, "two items share a seed");
    }
}

#[test]
fn an_item_s_seed_depends_on_epoch_and_index_alone() {
    let seeds = |order, batch_size, epoch| {
        let batches = loader(numbers(50), config(batch_size, order, 2))
            .epoch(epoch)
            .collect::<Result<Vec<_>>>()
            .unwrap();
        let mut items = batches.concat();
        items.sort_by_key(|item| item.0);
        items
    };
    let first = seeds(Order::Sequential, 7, 0);
    assert_eq!(first, seeds(Order::Shuffled, 9, 0));
    assert!(first.iter().zip(seeds(Order::Sequential, 7, 1)).all(|(a, b)| a.1 != b.1));
}

#[test]
fn each_epoch_and_seed_has_its_order() {
    let order = |seed, epoch| -> Vec<usize> {
        let config = LoaderConfig { seed: Seed(seed), ..config(10, Order::Shuffled, 0) };
        loader(numbers(100), config)
            .epoch(epoch)
            .flat_map(|b| b.unwrap())
            .map(|item| item.0)
            .collect()
    };
    assert_eq!(order(1, 0), order(1, 0));
    assert_ne!(order(1, 0), order(1, 1));
    assert_ne!(order(1, 0), order(2, 0));
    assert_ne!(order(1, 0), (0..100).collect::<Vec<_>>());
}

#[test]
fn an_error_arrives_in_its_place_and_ends_the_epoch() {
    for failure in [Failure::Error, Failure::Panic] {
        for workers in [0, 1, 2, 4] {
            let dataset = Numbers { fail: Some((23, failure)), ..numbers(60) };
            let results: Vec<_> =
                loader(dataset, config(5, Order::Sequential, workers)).epoch(0).collect();
            assert_eq!(results.len(), 5, "{workers} workers");
            assert!(results[..4].iter().all(Result::is_ok));
            let message = with_causes(results[4].as_ref().unwrap_err());
            let expected = match failure {
                Failure::Error => "item 23: broken image",
                Failure::Panic => "item 23: panic: bad image 23",
            };
            assert_eq!(message, expected);
        }
    }
}

#[test]
fn a_collate_error_names_the_batch() {
    struct Strict;
    impl Collate<(usize, Seed)> for Strict {
        type Batch = usize;
        fn collate(&self, items: Vec<(usize, Seed)>) -> Result<usize> {
            match items[0].0 {
                0..6 => Ok(items.len()),
                6 => Err(Error::Other("shapes differ".into())),
                _ => panic!("never asked for in order"),
            }
        }
    }
    for workers in [0, 3] {
        let loader = DataLoader::new(
            Arc::new(numbers(30)),
            Arc::new(Strict),
            config(3, Order::Sequential, workers),
        );
        let results: Vec<_> = loader.unwrap().epoch(0).collect();
        assert_eq!(results.len(), 3);
        assert_eq!(with_causes(results[2].as_ref().unwrap_err()), "batch 2: shapes differ");
    }
}

#[test]
fn dropping_an_epoch_stops_and_joins_its_workers() {
    let dataset = Arc::new(Numbers { delay: Duration::from_millis(1), ..numbers(100_000) });
    let loader =
        DataLoader::new(Arc::clone(&dataset), Arc::new(Together), config(10, Order::Shuffled, 3))
            .unwrap();
    let mut epoch = loader.epoch(0);
    epoch.next().unwrap().unwrap();
    drop(epoch);
    drop(loader);
    // The workers hold references to the data set. After they have ended, no reference is left and
    // no item is created.
    assert_eq!(Arc::strong_count(&dataset), 1);
    let made = dataset.made.load(Ordering::SeqCst);
    // Three workers, each with two finished batches, one that waits for room and one in progress,
    // plus the one received.
    assert!(made <= 3 * 4 * 10 + 10, "{made} items were made for one batch");
    // An epoch dropped before its first batch, and one that was read to the end.
    let dataset = Arc::new(numbers(20));
    let loader =
        DataLoader::new(Arc::clone(&dataset), Arc::new(Together), config(10, Order::Shuffled, 2))
            .unwrap();
    drop(loader.epoch(0));
    assert_eq!(loader.epoch(1).count(), 2);
    drop(loader);
    assert_eq!(Arc::strong_count(&dataset), 1);
}

#[test]
fn empty_batches_are_refused() {
    let error =
        DataLoader::new(Arc::new(numbers(3)), Arc::new(Together), config(0, Order::Sequential, 0))
            .err()
            .unwrap();
    assert_eq!(error.to_string(), "batch_size: expected at least 1, found 0");
}

#[test]
fn a_subset_maps_and_checks_its_indices() {
    let dataset = Arc::new(numbers(10));
    let subset = Subset::new(Arc::clone(&dataset), vec![7, 2, 2]).unwrap();
    assert_eq!(subset.len(), 3);
    assert_eq!(subset.get(0, Seed(1)).unwrap(), (7, Seed(1)));
    assert_eq!(subset.get(2, Seed(1)).unwrap(), (2, Seed(1)));
    assert!(matches!(subset.get(3, Seed(1)), Err(Error::Index { index: 3, len: 3 })));
    assert!(matches!(Subset::new(dataset, vec![0, 10]), Err(Error::Index { index: 10, len: 10 })));
}
