//! Treats the input as a file of CIFAR-10 or CIFAR-100: it is read if and only if it consists of
//! complete records with valid labels, and the labels and pixels match.
//!
//! The first byte selects the format and the expected number of records.

#![no_main]

mod scratch;
mod window;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mbls_vision::ImageSource;
use mbls_vision::dataset::{cifar10, cifar100};

const PIXELS: usize = 3072;
const EXPECTED: [Option<usize>; 5] = [None, Some(1), Some(2), Some(0), Some(usize::MAX)];
/// The number of classes of each label.
const HEADS: [&[u8]; 3] = [&[10], &[20, 100], &[20, 100]];

fn format(choice: u8) -> usize {
    usize::from(choice) % HEADS.len()
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, file)) = input.split_first() else { return };
    let (format, expected) = (format(choice), EXPECTED[usize::from(choice) / HEADS.len() % EXPECTED.len()]);
    let path = scratch::file("records.bin", file);
    let (read, label) = match format {
        0 => (cifar10::load_file(&path, expected), 0),
        1 => (cifar100::load_file(&path, expected, cifar100::Labels::Coarse), 0),
        _ => (cifar100::load_file(&path, expected, cifar100::Labels::Fine), 1),
    };

    let heads = HEADS[format];
    let records = file.chunks(heads.len() + PIXELS);
    let count = records.len();
    let is_whole = |record: &[u8]| record.len() == heads.len() + PIXELS && record.iter().zip(heads).all(|(a, b)| a < b);
    let is_right = count > 0 && expected.is_none_or(|expected| expected == count) && records.clone().all(is_whole);
    match read {
        Err(error) => assert!(!is_right, "{error}"),
        Ok(images) => {
            assert!(is_right && images.labels().len() == count);
            for (i, record) in records.enumerate() {
                assert_eq!(images.labels()[i], u32::from(record[label]));
                assert_eq!(images.pixels(i).expect("a picture"), &record[heads.len()..]);
            }
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let Some(&choice) = data[..size].first() else { return fuzzer_mutate(data, size, max_size) };
    let heads = HEADS[format(choice)].len();
    let (record, draw) = (heads + PIXELS, seed as usize / 4);
    let records = (size - 1) / record;
    match seed % 4 {
        0 => window::mutate(&mut data[..size], 1 + draw % (records + 1) * record, heads),
        // Another number of records, or nearly so; new bytes are zeros.
        1 => {
            let new = (draw % 5 * record + draw / 5 % 3).min(max_size);
            data[size.min(new)..new].fill(0);
            return new.max(1);
        }
        2 => window::mutate(&mut data[..size], 0, 1),
        _ => return fuzzer_mutate(data, size, max_size),
    }
    size
});
