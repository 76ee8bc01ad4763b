//! Tests of the common code of file readers.

use mbls_vision::dataset::listing::regular_files;
use mbls_vision::{FilesConfig, ImageFiles, ImageSource, decode};
use std::fs;
use std::path::Path;

#[test]
fn files_are_regular_and_in_their_folder() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("inner/folder")).unwrap();
    fs::write(dir.path().join("inner/a"), b"123").unwrap();
    fs::write(dir.path().join("b"), b"").unwrap();
    let sizes = |paths: &[&str]| regular_files(dir.path(), paths.iter().map(Path::new));
    assert_eq!(sizes(&["inner/a", "b", "inner/a"]).unwrap(), [3, 0, 3]);
    let message = |path: &str| sizes(&["b", path]).unwrap_err().to_string();
    assert!(message("inner/folder").contains("file type: expected a regular file"));
    assert!(
        message("none").starts_with("cannot open ")
            && message("none/a").starts_with("cannot open ")
    );
    // Even if the text of the path was not checked before.
    let outside = tempfile::NamedTempFile::new_in(dir.path().join("inner")).unwrap();
    let name = outside.path().file_name().unwrap();
    let inner = dir.path().join("inner/folder");
    let found = regular_files(&inner, [Path::new("..").join(name).as_path()]);
    assert!(found.unwrap_err().to_string().contains("target of the link"));
}

#[test]
fn an_image_alone_is_decoded_as_one_of_a_data_set() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), b"P6 2 1 255 abcdef").unwrap();
    let names = vec!["x".to_owned()];
    let files =
        ImageFiles::new("one", dir.path(), vec![("a".into(), 0)], names, FilesConfig::default())
            .unwrap();
    let alone = decode(&dir.path().join("a"), 100, 2).unwrap();
    assert_eq!(alone, files.image(0).unwrap());
    assert_eq!(alone.pixels, b"adbecf");
    let message = decode(&dir.path().join("a"), 100, 1).unwrap_err().to_string();
    assert!(message.ends_with("a: number of pixels: expected at most 1, found 2 x 1"), "{message}");
    assert!(
        decode(&dir.path().join("a"), 10, 2)
            .unwrap_err()
            .to_string()
            .contains("exceeds the limit of 10 bytes")
    );
}
