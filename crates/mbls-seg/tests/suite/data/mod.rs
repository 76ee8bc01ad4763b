//! Data sets of images with masks: readers, errors and batches.

use mbls_data::Result;
use mbls_seg::dataset::{ClassList, SegmentationConfig, SegmentationFiles, voc_layout};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

mod bad_input;
mod batches;
mod readers;
mod real_files;
mod values;

/// Returns the folder of masks written by PIL, with a file of their values.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/masks")
}

/// Encodes an image of one colour in an uncompressed format.
fn image(height: usize, width: usize, value: u8) -> Vec<u8> {
    let header = format!("P6 {width} {height} 255 ");
    [header.as_bytes(), &vec![value; 3 * height * width]].concat()
}

/// Encodes a mask of these rows with an 8-bit palette.
fn mask(rows: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, rows[0].len() as u32, rows.len() as u32);
    encoder.set_color(png::ColorType::Indexed);
    // One colour per index, all black.
    encoder.set_palette(vec![0; 3 * 256]);
    encoder.write_header().unwrap().write_image_data(&rows.concat()).unwrap();
    file
}

/// Creates a folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        write(folder.path(), name, content);
    }
    folder
}

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Creates two images of 2 x 3 and 1 x 2 pixels in the VOC layout.
fn voc() -> TempDir {
    folder(&[
        ("JPEGImages/a.jpg", &image(2, 3, 10)),
        ("SegmentationClass/a.png", &mask(&[&[0, 1, 255], &[20, 20, 255]])),
        ("JPEGImages/b.jpg", &image(1, 2, 20)),
        ("SegmentationClass/b.png", &mask(&[&[7, 0]])),
        ("ImageSets/Segmentation/train.txt", b"b\na\n"),
        ("ImageSets/Segmentation/val.txt", b"a"),
    ])
}

fn load(dir: &Path, split: &str) -> Result<SegmentationFiles> {
    voc_layout::load(dir, split, ClassList::voc(), SegmentationConfig::default())
}

fn assert_error<T>(result: Result<T>, parts: &[&str]) {
    let message = result.err().expect("accepted").to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{message:?} lacks one of {parts:?}");
}
