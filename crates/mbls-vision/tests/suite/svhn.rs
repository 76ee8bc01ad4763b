//! Tests of SVHN's MATLAB 5 files: files that SciPy writes and reads (`fixtures/mat5`), and files
//! with an error in each field.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use mbls_vision::dataset::{Split, svhn};
use mbls_vision::{ImageSource, LabelledImages, Result};
use proptest::prelude::*;
use serde_json::Value;
use std::io::Write;
use std::path::Path;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mat5").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(content: &[u8]) -> Result<LabelledImages> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test_32x32.mat"), content).unwrap();
    svhn::load(folder.path(), Split::Test)
}

fn assert_error(content: &[u8], parts: &[&str]) {
    let message = read(content).expect_err("the file was accepted").to_string();
    let all = [&["test_32x32.mat"], parts].concat();
    assert!(all.iter().all(|part| message.contains(part)), "{message:?} lacks one of {all:?}");
}

#[test]
fn the_files_hold_what_scipy_reads() {
    let values: Value = serde_json::from_slice(&fixture("values.json")).unwrap();
    let numbers = |name: &str| -> Vec<u64> {
        values[name].as_array().unwrap().iter().map(|value| value.as_u64().unwrap()).collect()
    };
    let (labels, sums, row) = (numbers("labels"), numbers("sums"), numbers("first_row_red"));
    for (name, n) in [("packed.mat", 5), ("plain.mat", 2), ("doubles.mat", 2), ("big.mat", 2)] {
        let images = read(&fixture(name)).unwrap();
        assert_eq!(
            (images.name(), images.shape(), images.classes()),
            ("svhn-test", [3, 32, 32], 10)
        );
        assert_eq!(images.class_names()[..2], ["0", "1"]);
        let found: Vec<u64> = images.labels().iter().map(|&label| u64::from(label)).collect();
        assert_eq!(found, labels[..n], "{name}");
        for (i, &sum) in sums[..n].iter().enumerate() {
            let pixels = images.pixels(i).unwrap();
            let found: u64 =
                pixels.iter().zip(1..).map(|(&value, weight)| u64::from(value) * weight).sum();
            assert_eq!(found, sum, "{name}, image {i}");
        }
        let first: Vec<u64> =
            images.pixels(0).unwrap()[..32].iter().map(|&value| u64::from(value)).collect();
        assert_eq!(first, row, "{name}");
    }
}

/// Returns an element with its padding, in little-endian order.
fn element(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = [kind.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// Returns an array of `class` whose values are stored as `kind`.
fn array(name: &str, class: u8, sizes: &[u32], kind: u32, values: &[u8]) -> Vec<u8> {
    let sizes: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
    let content = [
        element(6, &[class, 0, 0, 0, 0, 0, 0, 0]),
        element(5, &sizes),
        element(1, name.as_bytes()),
    ]
    .concat();
    element(14, &[content, element(kind, values)].concat())
}

fn x(n: u32) -> Vec<u8> {
    array("X", 9, &[32, 32, 3, n], 2, &vec![3; 3072 * n as usize])
}

fn y(labels: &[u8]) -> Vec<u8> {
    array("y", 9, &[labels.len() as u32, 1], 2, labels)
}

fn file(arrays: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
    bytes.resize(124, b' ');
    bytes.extend([0x00, 0x01, b'I', b'M']);
    arrays.iter().for_each(|array| bytes.extend(array));
    bytes
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    let packed = encoder.finish().unwrap();
    // Compressed elements have no padding.
    [&15u32.to_le_bytes(), &(packed.len() as u32).to_le_bytes(), packed.as_slice()].concat()
}

#[test]
fn arrays_come_in_any_order_and_among_others() {
    let other = array("note", 6, &[1, 1], 9, &1.5f64.to_le_bytes());
    let images =
        read(&file(&[y(&[1, 10]), packed(&other), other.clone(), packed(&x(2)), vec![1, 2, 3]]))
            .unwrap();
    assert_eq!(images.labels(), [1, 0]);
    // A single image, whose last dimension MATLAB drops.
    let single = array("X", 9, &[32, 32, 3], 2, &[9; 3072]);
    assert_eq!(read(&file(&[single, y(&[4])])).unwrap().labels(), [4]);
    // Values in the tag itself.
    let flags = element(6, &[9, 0, 0, 0, 0, 0, 0, 0]);
    let sizes = element(5, &[1, 0, 0, 0, 1, 0, 0, 0]);
    let small =
        [flags, sizes, vec![1, 0, 1, 0, b'y', 0, 0, 0], vec![2, 0, 1, 0, 7, 0, 0, 0]].concat();
    assert_eq!(read(&file(&[x(1), element(14, &small)])).unwrap().labels(), [7]);
}

#[test]
fn wrong_files_are_named() {
    let good = file(&[x(2), y(&[1, 2])]);
    assert!(read(&good).is_ok());
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    assert_error(&[], &["header"]);
    assert_error(&good[..127], &["header"]);
    assert_error(&changed(126, b'X'), &["header, bytes 126..128", "IM or MI"]);
    // HDF5 files of MATLAB 7.3 have 2.0 here.
    assert_error(&changed(125, 2), &["version", "0x0100", "0x0200"]);
    assert_error(&changed(128, 99), &["type of an element", "14 or 15", "99"]);
    assert_error(&good[..128], &["arrays", "one named X", "none"]);
    assert_error(&file(&[x(2)]), &["one named y"]);
    assert_error(&file(&[x(2), x(2), y(&[1, 2])]), &["one named X", "several"]);
    assert_error(&good[..good.len() / 2], &["size of X", "6144 bytes"]);
    assert_error(&file(&[x(2), y(&[1, 2, 3])]), &["dimensions of y", "[2, 1]", "[3, 1]"]);
    assert_error(&file(&[x(2), y(&[1, 0])]), &["label 1", "1..=10", "found 0"]);
    assert_error(&file(&[x(2), y(&[11, 1])]), &["label 0", "1..=10", "found 11"]);
    let sizes =
        |sizes: &[u32], values: usize| file(&[array("X", 9, sizes, 2, &vec![0; values]), y(&[1])]);
    assert_error(
        &sizes(&[32, 31, 3, 1], 2976),
        &["dimensions of X", "[32, 32, 3, N]", "[32, 31, 3, 1]"],
    );
    assert_error(&sizes(&[32, 32, 3, 0], 0), &["dimensions of X"]);
    assert_error(&sizes(&[32, 32, 3, 1], 3071), &["X", "3072 values", "3071 values"]);
    assert_error(&sizes(&[32, 32, 3, 26_033], 0), &["dimensions of X", "at most 79970304 values"]);
    assert_error(&sizes(&[u32::MAX; 32], 0), &["dimensions of X", "at most"]);
    assert_error(&sizes(&[1; 33], 1), &["size of dimensions", "at most 128 bytes"]);
    let with = |class, kind, values: &[u8]| file(&[x(1), array("y", class, &[1, 1], kind, values)]);
    assert!(read(&with(6, 9, &3f64.to_le_bytes())).is_ok());
    assert_error(&with(6, 9, &3.5f64.to_le_bytes()), &["y", "whole numbers", "3.5"]);
    assert_error(&with(6, 9, &f64::NAN.to_le_bytes()), &["y", "whole numbers", "NaN"]);
    assert_error(&with(6, 9, &256f64.to_le_bytes()), &["y", "whole numbers", "256"]);
    assert_error(&with(6, 9, &[0; 12]), &["size of y", "a multiple of 8"]);
    assert_error(&with(7, 2, &[1]), &["class of y", "9 (uint8)", "found 7"]);
    assert_error(&with(9, 3, &[1, 0]), &["type of y"]);
    assert_error(
        &file(&[array("X", 9, &[32, 32, 3, 1], 9, &[0; 8 * 3072]), y(&[1])]),
        &["type of X"],
    );
}

#[test]
fn packed_elements_are_bounded() {
    let whole = packed(&x(1));
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    assert!(read(&file(&[damaged, y(&[1])])).is_err());
    // The checksum is at the end.
    let mut checksum = whole.clone();
    *checksum.last_mut().unwrap() ^= 1;
    assert_error(&file(&[checksum, y(&[1])]), &["zlib"]);
    assert_error(&file(&[whole[..whole.len() - 9].to_vec()]), &["end of the file"]);
    assert_error(&file(&[packed(&element(9, &[0; 8]))]), &["type of a packed element"]);
    // More values than the test part has, from little input: refused before it is unpacked, or at
    // the limit.
    let zeros = vec![0; 90_000_000];
    let bomb = |n| packed(&array("X", 9, &[32, 32, 3, n], 2, &zeros));
    assert_error(&file(&[bomb(29_297)]), &["dimensions of X"]);
    assert_error(&file(&[bomb(1)]), &["size of X", "at most 79970304 bytes"]);
    // A tag that claims more than there is.
    let mut claim = x(1);
    claim[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(read(&file(&[claim, y(&[1])])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any bytes lead to neither a panic nor a hang.
    #[test]
    fn changed_files_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        which in 0..3usize,
    ) {
        let mut bytes = fixture(["packed.mat", "doubles.mat", "big.mat"][which]);
        // The tags are at the start of each array; changes in between rarely matter.
        for (at, value) in changes {
            let at = at.index(bytes.len().min(400));
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + bytes.len() / 2);
        let _ = read(&bytes);
    }
}
