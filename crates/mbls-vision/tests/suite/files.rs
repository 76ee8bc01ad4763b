//! Tests of image files: comparison with PIL, invalid files, caching.

use mbls_data::{DataLoader, LoaderConfig, Order, Seed};
use mbls_vision::{
    AugmentedImages, FilesConfig, Image, ImageCollate, ImageFiles, ImageSource, OnError, Result,
};
use proptest::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pictures")
}

/// Creates a folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

fn open_with(root: &Path, files: &[&str], config: FilesConfig) -> Result<ImageFiles> {
    let labelled = files.iter().enumerate().map(|(i, file)| (file.into(), i as u32 % 2)).collect();
    ImageFiles::new("x", root, labelled, vec!["a".into(), "b".into()], config)
}

fn open(root: &Path, files: &[&str]) -> ImageFiles {
    open_with(root, files, FilesConfig::default()).unwrap()
}

fn assert_error<T>(result: Result<T>, parts: &[&str]) {
    let message = result.err().expect("accepted").to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{message:?} lacks one of {parts:?}");
}

/// Returns a grey image of 2 x 1 pixels.
fn pgm(a: u8, b: u8) -> Vec<u8> {
    [b"P5 2 1 255\n".as_slice(), &[a, b]].concat()
}

#[test]
fn every_format_gives_what_pil_gives() {
    let values: Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("values.json")).unwrap()).unwrap();
    let mut seen = 0;
    for (file, expected) in values.as_object().unwrap() {
        let Some(expected) = expected.as_array() else { continue };
        let found = open(&fixtures(), &[file]).image(0).unwrap();
        let shape = if file == "rotated.jpg" { [3, 21, 14] } else { [3, 14, 21] };
        assert_eq!(found.shape(), shape, "{file}");
        let differences = found
            .pixels
            .iter()
            .zip(expected)
            .map(|(&x, y)| (i64::from(x) - y.as_i64().unwrap()).abs());
        let largest = differences.max().unwrap();
        // JPEG leaves the inverse cosine transform, the colour conversion and the upsampling filter
        // to the decoder.
        let bound = match file.as_str() {
            "subsampled.jpg" | "progressive.jpg" => 4,
            name if name.ends_with(".jpg") => 2,
            _ => 0,
        };
        assert!(largest <= bound, "{file}: differs by {largest}");
        seen += 1;
    }
    assert_eq!(seen, 17);
}

#[test]
fn what_the_bytes_say_decides_the_format() {
    let jpeg = std::fs::read(fixtures().join("colour.jpg")).unwrap();
    let folder = folder(&[("a.png", &jpeg), ("b", &jpeg)]);
    let images = open(folder.path(), &["a.png", "b"]);
    assert_eq!(images.image(0).unwrap(), images.image(1).unwrap());
}

/// Returns the start of a PNG file: signature and header with the given sides.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    [b"\x89PNG\r\n\x1a\n\0\0\0\x0d".as_slice(), &chunk, &crc.sum().to_be_bytes(), b"\0\0\0\x10IDAT"]
        .concat()
}

/// Returns the start of a GIF file of 65,535 x 65,535 pixels: screen, palette of two colours,
/// position of the first image.
fn gif_header() -> Vec<u8> {
    [
        b"GIF89a".as_slice(),
        &[0xFF; 4],
        &[0x80, 0, 0],
        &[0; 6],
        b",\0\0\0\0",
        &[0xFF; 4],
        &[0, 2, 1, 0x44, 0],
    ]
    .concat()
}

/// Returns a JPEG header that claims 65,000 x 65,000 pixels, with an end marker.
fn jpeg_header() -> Vec<u8> {
    let side = 65_000u16.to_be_bytes();
    let frame = [0xFF, 0xC0, 0, 11, 8, side[0], side[1], side[0], side[1], 1, 1, 0x11, 0];
    [&[0xFF, 0xD8], frame.as_slice(), &[0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0, 0xFF, 0xD9]]
        .concat()
}

#[test]
fn bad_images_are_errors_with_their_paths() {
    let read = |name: &str| std::fs::read(fixtures().join(name)).unwrap();
    let cut = |name: &str, part: usize| {
        let bytes = read(name);
        bytes[..bytes.len() * part / 10].to_vec()
    };
    let (png, jpeg) = (png_header(60_000, 60_000), jpeg_header());
    let wrong: Vec<(&str, Vec<u8>, &str)> = vec![
        ("zero.jpg", vec![], "at least 1 byte"),
        ("cut9.jpg", cut("colour.jpg", 9), "truncated JPEG"),
        ("cut5.jpg", cut("progressive.jpg", 5), "truncated JPEG"),
        ("cut1.jpg", cut("colour.jpg", 1), "truncated JPEG"),
        ("no-end.jpg", read("colour.jpg")[..808].to_vec(), "truncated JPEG"),
        ("cut.png", cut("colour.png", 8), "a whole image"),
        ("cut.bmp", cut("colour.bmp", 8), "a whole image"),
        ("cut.gif", cut("colour.gif", 8), "a whole image"),
        ("cut.webp", cut("colour.webp", 8), "a whole image"),
        ("cut.ppm", cut("colour.ppm", 8), "a whole image"),
        ("text.jpg", b"not an image".to_vec(), "an image (BMP"),
        ("none.pgm", b"P5 0 1 255\n".to_vec(), "a whole image"),
        ("huge.png", png, "number of pixels"),
        ("huge.ppm", b"P6 60000 60000 255\n".to_vec(), "number of pixels"),
        ("huge.gif", gif_header(), "number of pixels"),
        ("huge.jpg", jpeg, "number of pixels"),
    ];
    let files: Vec<(&str, &[u8])> =
        wrong.iter().map(|(name, bytes, _)| (*name, bytes.as_slice())).collect();
    let folder = folder(&files);
    let names: Vec<&str> = wrong.iter().map(|(name, ..)| *name).collect();
    let images = open(folder.path(), &names);
    for (i, (name, _, part)) in wrong.iter().enumerate() {
        assert_error(images.image(i), &[name, part]);
    }
    assert_error(images.image(wrong.len()), &["out of range"]);
    assert_error(images.preload(), &["zero.jpg"]);
    // A file of a tebibyte, which must not be read.
    std::fs::File::create(folder.path().join("zero.jpg")).unwrap().set_len(1 << 40).unwrap();
    assert_error(images.image(0), &["zero.jpg", "exceeds the limit of 268435456 bytes"]);
    // Removed after the data set was opened.
    std::fs::remove_file(folder.path().join("zero.jpg")).unwrap();
    assert_error(images.image(0), &["zero.jpg", "cannot open"]);
}

#[test]
fn limits_are_the_configured_ones() {
    let folder = folder(&[("a.pgm", &pgm(1, 2))]);
    let open = |max_pixels, max_file_bytes| {
        let config = FilesConfig { max_pixels, max_file_bytes, ..Default::default() };
        open_with(folder.path(), &["a.pgm"], config).unwrap().image(0)
    };
    assert!(open(2, 13).is_ok());
    assert_error(open(1, 13), &["a.pgm", "number of pixels", "at most 1", "2 x 1"]);
    assert_error(open(2, 12), &["a.pgm", "exceeds the limit of 12 bytes"]);
}

#[test]
fn wrong_lists_of_images_are_refused() {
    let folder = folder(&[("in/a.pgm", &pgm(1, 2)), ("out.pgm", &pgm(3, 4))]);
    let root = folder.path().join("in");
    let open = |path: &str, label, names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        ImageFiles::new("pets", &root, vec![(path.into(), label)], names, FilesConfig::default())
    };
    assert!(open("a.pgm", 1, &["a", "b"]).is_ok());
    assert_error(
        open("a.pgm", 2, &["a", "b"]),
        &["data set pets: label of image a.pgm", "0..=1", "found 2"],
    );
    assert_error(open("a.pgm", 0, &[]), &["pets", "at least 1"]);
    assert_error(open("b.pgm", 0, &["a"]), &["cannot open", "b.pgm"]);
    assert_error(open("../out.pgm", 0, &["a"]), &["data set pets", "path", "../out.pgm"]);
    assert_error(
        open(folder.path().join("out.pgm").to_str().unwrap(), 0, &["a"]),
        &["path", "out.pgm"],
    );
    assert!(open("./a.pgm", 0, &["a"]).is_ok() && open("b/.././a.pgm", 0, &["a"]).is_ok());
    assert_error(open("b/..", 0, &["a"]), &["path", "which is the folder itself"]);
    assert_error(open("", 0, &["a"]), &["path"]);
    assert_error(
        ImageFiles::new("e", &root, vec![], vec!["a".into()], FilesConfig::default()),
        &["at least 1"],
    );
    std::fs::create_dir(root.join("b")).unwrap();
    assert_error(open("b", 0, &["a"]), &["file type", "a regular file"]);
}

#[cfg(unix)]
#[test]
fn links_must_not_leave_the_folder() {
    use std::os::unix::fs::symlink;
    let folder = folder(&[("in/a.pgm", &pgm(1, 2)), ("out/b.pgm", &pgm(3, 4))]);
    let root = folder.path().join("in");
    symlink("a.pgm", root.join("inside.pgm")).unwrap();
    symlink("../out/b.pgm", root.join("outside.pgm")).unwrap();
    symlink("../out", root.join("folder")).unwrap();
    symlink(&root, folder.path().join("alias")).unwrap();
    assert_eq!(open(&root, &["inside.pgm"]).image(0).unwrap().pixels[..2], [1, 2]);
    // The data set's folder itself may be a link.
    assert_eq!(
        open(&folder.path().join("alias"), &["inside.pgm"]).image(0).unwrap().pixels[..2],
        [1, 2]
    );
    for path in ["outside.pgm", "folder/b.pgm"] {
        let result = open_with(&root, &[path], FilesConfig::default());
        assert_error(result, &[path, "target of the link", "below"]);
    }
}

/// Creates images of 6 bytes decoded, of which those at `bad` do not decode.
fn many(n: usize, bad: &[usize]) -> (TempDir, Vec<String>) {
    let names: Vec<String> = (0..n).map(|i| format!("{i:03}.pgm")).collect();
    let folder = tempfile::tempdir().unwrap();
    for (i, name) in names.iter().enumerate() {
        let content = if bad.contains(&i) { b"P5 2 1 255\n".to_vec() } else { pgm(i as u8, 7) };
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    (folder, names)
}

#[test]
fn memory_stays_within_the_budget() {
    let (folder, names) = many(10, &[]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (cache_bytes, cached) in [(0, 0), (5, 0), (6, 1), (35, 5), (36, 6), (60, 10), (1 << 30, 10)]
    {
        let config = FilesConfig { cache_bytes, ..Default::default() };
        let images = open_with(folder.path(), &names, config).unwrap();
        assert_eq!(images.preload().unwrap(), cached, "budget of {cache_bytes} bytes");
        assert_eq!(images.preload().unwrap(), cached, "again, budget of {cache_bytes} bytes");
        (0..10).for_each(|i| assert_eq!(images.image(i).unwrap().pixels[0], i as u8));
    }
    // Cached images are not read again: the files change, the images do not.
    let config = FilesConfig { cache_bytes: 12, ..Default::default() };
    let images = open_with(folder.path(), &names, config).unwrap();
    let first: Vec<Image> = (0..3).map(|i| images.image(i).unwrap()).collect();
    (0..3).for_each(|i| std::fs::write(folder.path().join(names[i]), pgm(100, 100)).unwrap());
    let second: Vec<Image> = (0..3).map(|i| images.image(i).unwrap()).collect();
    assert_eq!((&first[..2], second[2].pixels[0]), (&second[..2], 100));
}

#[test]
fn many_threads_may_ask_at_once() {
    let (folder, names) = many(50, &[]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let config = FilesConfig { cache_bytes: 25 * 6, ..Default::default() };
    let images = open_with(folder.path(), &names, config).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                (0..50).for_each(|i| assert_eq!(images.image(i).unwrap().pixels[0], i as u8));
            });
        }
    });
    // Every reservation was used or released.
    assert_eq!(images.preload().unwrap(), 25);
}

#[test]
fn undecodable_images_are_skipped_and_counted() {
    let (folder, names) = many(40, &[3, 4, 39]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let config = FilesConfig { on_error: OnError::Skip, ..Default::default() };
    let images = open_with(folder.path(), &names, config).unwrap();
    assert_eq!(images.labels().len(), 37);
    let skipped: Vec<(&str, u32)> = images
        .skipped()
        .iter()
        .map(|skipped| (skipped.path.to_str().unwrap(), skipped.label))
        .collect();
    assert_eq!(skipped, [("003.pgm", 1), ("004.pgm", 0), ("039.pgm", 1)]);
    assert!(
        images
            .skipped()
            .iter()
            .all(|skipped| skipped.reason.contains(skipped.path.to_str().unwrap()))
    );
    let expected: Vec<usize> = (0..39).filter(|i| ![3, 4].contains(i)).collect();
    assert_eq!(images.kept(), expected);
    for (i, &original) in expected.iter().enumerate() {
        let label = original as u32 % 2;
        assert_eq!(
            (images.image(i).unwrap().pixels[0], images.labels()[i]),
            (original as u8, label)
        );
        assert_eq!(images.paths()[i], Path::new(names[original]));
    }
    // The data set is the same as one created without these files.
    let rest: Vec<&str> = expected.iter().map(|&i| names[i]).collect();
    let labelled =
        expected.iter().zip(&rest).map(|(&i, file)| (file.into(), i as u32 % 2)).collect();
    let other = ImageFiles::new("x", folder.path(), labelled, vec!["a".into(), "b".into()], config)
        .unwrap();
    assert_eq!(images.digest(), other.digest());
    assert!(other.skipped().is_empty());
    // A class without any remaining image.
    let result = open_with(folder.path(), &["000.pgm", "003.pgm"], config);
    assert_error(result, &["class 1 (b)", "at least 1 image that decodes", "003.pgm"]);
}

#[test]
fn a_bad_image_ends_an_epoch_with_its_path_never_a_hang() {
    let (folder, names) = many(20, &[13]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for workers in [0, 1, 3] {
        let images = Arc::new(open(folder.path(), &names));
        let dataset = Arc::new(AugmentedImages::new(images, (0..20).rev().collect()).unwrap());
        let config = LoaderConfig {
            batch_size: 4,
            order: Order::Sequential,
            drop_last: false,
            workers,
            seed: Seed(1),
        };
        let loader = DataLoader::new(dataset, Arc::new(ImageCollate), config).unwrap();
        let batches: Vec<_> = loader.epoch(0).collect();
        // Item 6 of the reversed order is in the second batch.
        assert_eq!(batches.len(), 2, "{workers} workers");
        assert!(batches[0].is_ok());
        let message = mbls_io::with_causes(batches[1].as_ref().unwrap_err());
        assert!(message.contains("item 6: ") && message.contains("013.pgm"), "{message}");
    }
}

#[test]
fn a_digest_changes_with_path_size_and_label() {
    let folder = folder(&[("a.pgm", &pgm(1, 2)), ("b.pgm", &pgm(1, 2))]);
    let digest = |path: &str, label| {
        let labelled = vec![(path.into(), label)];
        ImageFiles::new(
            "x",
            folder.path(),
            labelled,
            vec!["a".into(), "b".into()],
            FilesConfig::default(),
        )
        .unwrap()
        .digest()
    };
    let reference = digest("a.pgm", 0);
    assert_eq!(digest("a.pgm", 0), reference);
    assert_ne!(digest("b.pgm", 0), reference);
    assert_ne!(digest("a.pgm", 1), reference);
    std::fs::write(folder.path().join("a.pgm"), [pgm(1, 2), vec![0]].concat()).unwrap();
    assert_ne!(digest("a.pgm", 0), reference);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Any bytes give an image or an error with the path.
    #[test]
    fn changed_images_do_no_harm(
        which in 0..12usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let names = [
            "colour.jpg", "progressive.jpg", "cmyk.jpg", "grey.jpg", "colour.png", "palette.png", "deep.png", "bits.png",
            "colour.bmp", "colour.gif", "colour.webp", "colour.ppm",
        ];
        let mut bytes = std::fs::read(fixtures().join(names[which])).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let folder = folder(&[("changed", &bytes)]);
        let config = FilesConfig { max_pixels: 1 << 16, ..Default::default() };
        match open_with(folder.path(), &["changed"], config).unwrap().image(0) {
            Ok(image) => prop_assert_eq!(image.pixels.len(), 3 * image.height * image.width),
            Err(error) => prop_assert!(error.to_string().contains("changed"), "{}", error),
        }
    }
}
