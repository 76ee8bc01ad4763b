//! Treats the input as the labels and images of MNIST, compressed or not: they are read if and only
//! if headers, sizes and labels are consistent, and the labels and pixels match.
//!
//! The first byte selects how each of the two files is written, the next two are the size of the
//! first.

#![no_main]

mod scratch;

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use mbls_vision::ImageSource;
use mbls_vision::dataset::{Split, mnist};
use std::io::{Read, Write};

const NAMES: [&str; 2] = ["t10k-labels-idx1-ubyte", "t10k-images-idx3-ubyte"];
/// The maximum number of records.
const MOST: usize = 10_000;

/// Returns the content of a file by the reader's rules; `None` if it is not complete.
fn content(way: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    match way {
        // A gzip file from the fuzzer may contain anything.
        1 if bytes.is_empty() => None,
        1 => MultiGzDecoder::new(bytes).take(1 << 24).read_to_end(&mut content).ok().map(|_| content),
        _ => Some(bytes.to_vec()),
    }
}

fn write(name: &str, way: u8, bytes: &[u8]) {
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("bytes in memory")
    };
    match way {
        0 => drop(scratch::file(name, bytes)),
        1 => drop(scratch::file(&format!("{name}.gz"), bytes)),
        2 => drop(scratch::file(&format!("{name}.gz"), &packed(bytes))),
        // Two members of one file.
        _ => {
            let (a, b) = bytes.split_at(bytes.len() / 2);
            scratch::file(&format!("{name}.gz"), &[packed(a), packed(b)].concat());
        }
    }
    if way > 0 {
        // Remove the file of an earlier input.
        let _ = std::fs::remove_file(scratch::folder().join(name));
    }
}

/// Returns the elements after a header that matches them.
fn elements<'a>(bytes: &'a [u8], record: &[u32]) -> Option<(usize, &'a [u8])> {
    let mut header = vec![0, 0, 8, record.len() as u8 + 1];
    let count = u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?);
    [&[count][..], record].concat().iter().for_each(|size| header.extend(size.to_be_bytes()));
    let (count, size) = (count as usize, record.iter().product::<u32>() as usize);
    let elements = bytes.strip_prefix(&header[..])?;
    ((1..=MOST).contains(&count) && elements.len() == count * size).then_some((count, elements))
}

fuzz_target!(|input: &[u8]| {
    let Some((&[choice, high, low], files)) = input.split_first_chunk() else { return };
    let (labels, images) = files.split_at(usize::from(u16::from_be_bytes([high, low])).min(files.len()));
    let ways = [choice % 4, choice / 4 % 4];
    write(NAMES[0], ways[0], labels);
    write(NAMES[1], ways[1], images);
    let read = mnist::load(scratch::folder(), Split::Test);

    let (labels, images) = (content(ways[0], labels), content(ways[1], images));
    let labels = labels.as_deref().and_then(|bytes| elements(bytes, &[]));
    let images = images.as_deref().and_then(|bytes| elements(bytes, &[28, 28]));
    let right = labels
        .zip(images)
        .filter(|((labels, digits), (images, _))| labels == images && digits.iter().all(|&digit| digit < 10));
    match (read, right) {
        (Err(error), right) => assert!(right.is_none(), "{error}"),
        (Ok(_), None) => panic!("read an invalid file"),
        (Ok(read), Some(((count, labels), (_, pixels)))) => {
            assert_eq!(read.labels().len(), count);
            for (i, pixels) in pixels.chunks(28 * 28).enumerate() {
                assert_eq!(read.labels()[i], u32::from(labels[i]));
                assert_eq!(read.pixels(i).expect("an image"), pixels);
            }
        }
    }
});
