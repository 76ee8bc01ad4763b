//! Bytes as the labels and images of MNIST, packed or not: they are read where header, sizes and labels say the same, and nowhere else, and
//! give those labels and pixels.
//!
//! The first byte chooses how each of the two files is written, the next two are the size of the first.

#![no_main]

mod scratch;

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use mbls_vision::ImageSource;
use mbls_vision::dataset::{Split, mnist};
use std::io::{Read, Write};

const NAMES: [&str; 2] = ["t10k-labels-idx1-ubyte", "t10k-images-idx3-ubyte"];
/// The most records.
const MOST: usize = 10_000;

/// What is in a file by its reader's rules; `None` where it is not whole.
fn content(way: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    match way {
        // Made by nobody else, a packed file may be anything.
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
        // Of the input before.
        let _ = std::fs::remove_file(scratch::folder().join(name));
    }
}

/// The elements behind a header that fits them.
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
        (Ok(_), None) => panic!("read what is wrong"),
        (Ok(read), Some(((count, labels), (_, pixels)))) => {
            assert_eq!(read.labels().len(), count);
            for (i, pixels) in pixels.chunks(28 * 28).enumerate() {
                assert_eq!(read.labels()[i], u32::from(labels[i]));
                assert_eq!(read.pixels(i).expect("a picture"), pixels);
            }
        }
    }
});
