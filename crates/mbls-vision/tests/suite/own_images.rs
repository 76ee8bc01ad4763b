//! Tests of user-supplied images: folders of classes and CSV lists.

use mbls_io::delimited::Quoting;
use mbls_io::{Labels, Reading};
use mbls_vision::dataset::csv_list::{self, ListConfig};
use mbls_vision::dataset::image_folder;
use mbls_vision::{FilesConfig, ImageFiles, ImageSource, OnError, Result};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Returns a grey image of one pixel as a PGM file; the content determines the format.
fn pgm(value: u8) -> Vec<u8> {
    [b"P5 1 1 255\n".as_slice(), &[value]].concat()
}

/// Creates a folder of files; each is an image whose value is its position in the list.
fn folder_of(paths: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (i, path) in paths.iter().enumerate() {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, pgm(i as u8)).unwrap();
    }
    folder
}

fn assert_error<T>(result: Result<T>, parts: &[&str]) {
    let message = result.err().expect("accepted").to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{message:?} lacks one of {parts:?}");
}

fn values(images: &ImageFiles) -> Vec<u8> {
    (0..images.labels().len()).map(|i| images.image(i).unwrap().pixels[0]).collect()
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn load(root: &Path) -> Result<ImageFiles> {
    image_folder::load(root, None, FilesConfig::default())
}

#[test]
fn folders_are_classes() {
    let folder = folder_of(&[
        "dog/b.PNG",
        "dog/a.jpg",
        "cat/x/y/deep.webp",
        "cat/z.gif",
        "Ant/1.bmp",
        "cat/.hidden.jpg",
        ".git/x.jpg",
    ]);
    fs::write(folder.path().join("README.md"), "not an image").unwrap();
    let images = load(folder.path()).unwrap();
    // Upper case sorts before lower case, as in torchvision.
    assert_eq!((images.class_names(), images.classes()), (&strings(&["Ant", "cat", "dog"])[..], 3));
    assert_eq!((values(&images), images.labels()), (vec![4, 2, 3, 1, 0], &[0, 1, 1, 2, 2][..]));
    assert_eq!(images.paths()[1], Path::new("cat/x/y/deep.webp"));
    // A test part with the classes of its training part, one of which has no images.
    let classes = strings(&["dog", "cat", "Ant", "fox"]);
    let images = image_folder::load(folder.path(), Some(&classes), FilesConfig::default()).unwrap();
    assert_eq!((images.labels(), images.classes()), (&[2, 1, 1, 0, 0][..], 4));
    assert_error(
        image_folder::load(folder.path(), Some(&classes[..2]), FilesConfig::default()),
        &["classes of the list", "Ant"],
    );
}

#[test]
fn wrong_folders_are_named() {
    assert_error(load(folder_of(&[]).path()), &["folders", "at least 1"]);
    assert_error(load(&folder_of(&[]).path().join("missing")), &["cannot open", "missing"]);
    assert_error(
        load(&folder_of(&["a.jpg"]).path().join("a.jpg")),
        &["a.jpg", "a folder", "a file"],
    );
    assert_error(
        load(folder_of(&["cat/a.jpg", "b.jpg"]).path()),
        &["only in folders of classes", "b.jpg"],
    );
    let folder = folder_of(&["cat/a.jpg"]);
    fs::create_dir(folder.path().join("dog")).unwrap();
    assert_error(load(folder.path()), &["dog", "number of images", "at least 1"]);
    let folder = folder_of(&["cat/a.jpg", "dog/b.jpg", "dog/notes.db", "dog/c.png"]);
    assert_error(load(folder.path()), &["dog", "images and folders", "notes.db"]);
    fs::write(folder.path().join("dog/notes.db"), "not an image").unwrap();
    fs::write(folder.path().join("dog/c.png"), "").unwrap();
    let config = FilesConfig { on_error: OnError::Skip, ..Default::default() };
    let images = image_folder::load(folder.path(), None, config).unwrap();
    let skipped: Vec<&Path> =
        images.skipped().iter().map(|skipped| skipped.path.as_path()).collect();
    assert_eq!(
        (values(&images), skipped),
        (vec![0, 1], vec![Path::new("dog/c.png"), Path::new("dog/notes.db")])
    );
}

#[cfg(unix)]
#[test]
fn links_lead_within_the_folder_alone() {
    use std::os::unix::fs::symlink;
    let after = |target: &str, link: &str| {
        let outer = folder_of(&["in/cat/a.jpg", "in/dog/b.jpg", "out/c.jpg"]);
        symlink(target, outer.path().join("in").join(link)).unwrap();
        load(&outer.path().join("in")).map(|images| values(&images))
    };
    assert_eq!(after("../cat/a.jpg", "dog/a.jpg").unwrap(), [0, 0, 1]);
    assert_eq!(after("../cat", "dog/more").unwrap(), [0, 1, 0]);
    for (target, link) in [
        ("../../out/c.jpg", "dog/c.jpg"),
        ("../../out", "dog/more"),
        ("../out", "fox"),
        ("/etc", "etc"),
    ] {
        assert_error(after(target, link), &[link, "target of the link", "below"]);
    }
    // The same folder twice, but not within itself.
    let twice = folder_of(&["dog/a/x.jpg"]);
    symlink("a", twice.path().join("dog/b")).unwrap();
    assert_eq!(values(&load(twice.path()).unwrap()), [0, 0]);
    assert_error(after(".", "dog/again"), &["again", "not to an enclosing folder"]);
    assert_error(after("..", "dog/again"), &["again", "not to an enclosing folder"]);
    assert_error(after("nowhere", "dog/lost.jpg"), &["follow the link", "lost.jpg"]);
}

/// Reads a list next to the images `a.jpg`, `b.jpg` and `sub/c.jpg`.
fn read_list(
    content: &[u8],
    classes: Option<&[&str]>,
    config: ListConfig,
    on_error: OnError,
) -> Result<(ImageFiles, Reading)> {
    let folder = folder_of(&["a.jpg", "b.jpg", "sub/c.jpg"]);
    let path = folder.path().join("list.csv");
    fs::write(&path, content).unwrap();
    let classes = classes.map(strings);
    let files = FilesConfig { on_error, ..Default::default() };
    let list = csv_list::load(path, classes.as_deref(), config, files)?;
    list.images.preload()?;
    Ok((list.images, list.reading))
}

fn list_with(content: &str, classes: Option<&[&str]>) -> Result<ImageFiles> {
    Ok(read_list(content.as_bytes(), classes, ListConfig::default(), OnError::Fail)?.0)
}

fn list(content: &str) -> Result<ImageFiles> {
    list_with(content, None)
}

#[test]
fn lists_have_names_or_numbers() {
    let images = list("path,label\nsub/c.jpg,dog\na.jpg,\"cat, black\"\nb.jpg,dog\n").unwrap();
    assert_eq!((values(&images), images.labels()), (vec![2, 0, 1], &[1, 0, 1][..]));
    assert_eq!(images.class_names(), ["cat, black", "dog"]);
    // Other columns, a different order, blanks, Windows line ends.
    let images = list("label , note,path\r\n 1,x, a.jpg\r\n0,,b.jpg").unwrap();
    assert_eq!(
        (values(&images), images.labels(), images.class_names()),
        (vec![0, 1], &[1, 0][..], &strings(&["0", "1"])[..])
    );
    // Numbers are not sorted as text.
    let content: String = (0..11).map(|i| format!("a.jpg,{i}\n")).collect();
    assert_eq!(
        list(&format!("path,label\n{content}")).unwrap().labels(),
        (0..11).collect::<Vec<_>>()
    );
    // They may start anywhere and have gaps.
    let images = list("path,label\na.jpg,4\nb.jpg,1\n").unwrap();
    assert_eq!((images.labels(), images.class_names()), (&[1, 0][..], &strings(&["1", "4"])[..]));
    // With a list of numbers, labels are these numbers.
    assert_eq!(list_with("path,label\na.jpg,0\n", Some(&["1", "0"])).unwrap().labels(), [1]);
}

#[test]
fn wrong_lists_are_named() {
    let wrong = |content: &str, parts: &[&str]| {
        assert_error(list(content), &[&["list.csv"], parts].concat());
    };
    wrong("", &["line 1", "one column \"path\""]);
    wrong("path,label\n", &["number of images", "at least 1"]);
    wrong("path,class\na.jpg,1\n", &["line 1", "one column \"label\"", "class"]);
    wrong("path,label,path\na.jpg,1,b.jpg\n", &["line 1", "one column \"path\""]);
    wrong("a.jpg,1\nb.jpg,0\n", &["line 1", "one column \"path\""]);
    wrong(
        "path,label\na.jpg,1\nb.jpg\n",
        &["line 3: number of fields", "2, as many as in the header", "found 1"],
    );
    wrong("path,label\na.jpg,x\nb.jpg,\n", &["line 3: label", "a name or a number"]);
    for path in ["../a.jpg", "/etc/passwd", "sub/../../a.jpg", "sub/..", ""] {
        wrong(
            &format!("path,label\na.jpg,0\n{path},1\n"),
            &["line 3: path", "below the folder of the list", path],
        );
    }
    assert_error(list("path,label\nd.jpg,0\n"), &["cannot open", "d.jpg"]);
    assert_error(list("path,label\nsub,0\n"), &["sub", "a regular file"]);
    let given =
        |label: &str| list_with(&format!("path,label\na.jpg,{label}\n"), Some(&["cat", "dog"]));
    assert_error(given("2"), &["line 2: label", "one of the 2 classes", "\"2\""]);
    assert_error(given("fox"), &["line 2: label", "\"fox\""]);
    assert_error(given("-1"), &["line 2: label", "\"-1\""]);
    let folder = folder_of(&[]);
    fs::write(folder.path().join("l.csv"), [b"path,label\n".as_slice(), &[0xff], b",1\n"].concat())
        .unwrap();
    let load = |name| {
        csv_list::load(
            folder.path().join(name),
            None,
            ListConfig::default(),
            FilesConfig::default(),
        )
    };
    assert_error(load("l.csv"), &["l.csv", "UTF-8", "--skip-undecodable"]);
    assert_error(load("m.csv"), &["m.csv", "cannot open"]);
}

#[test]
fn quotation_marks_in_lists_are_closed_or_named() {
    assert_error(
        list("path,label\na.jpg,\"x\nb.jpg,y\n"),
        &["list.csv: line 2: quotation mark", "end of the file in line 3"],
    );
    assert_error(
        list("path,label\na.jpg,\"x\nb.jpg,\"y\"\n"),
        &["list.csv: line 2: quotation mark", "in line 3"],
    );
    assert_error(
        list("path,label\n\"a.jpg\" ,x\n"),
        &["line 2: quotation mark", "a delimiter or a line end"],
    );
    // A label with quotation marks in one row and without in the other.
    assert_error(
        list("path,label\na.jpg, \"x\"\nb.jpg,x\n"),
        &["line 2: label", "no white space before"],
    );
    let none = ListConfig { quoting: Quoting::None, ..Default::default() };
    let read = |content: &str, config| read_list(content.as_bytes(), None, config, OnError::Fail);
    assert_error(
        read("path,label\na.jpg,\"x\"\n", none),
        &["line 2: label", "without quotation marks"],
    );
    let (images, reading) = read("path,label,note\na.jpg,x,\"1\nb.jpg,y,\"2\n", none).unwrap();
    assert_eq!((images.labels(), reading.records, reading.literal_quotes), (&[0, 1][..], 2, 2));
    let (_, reading) =
        read("path,label,note\n\"a.jpg\",x,\"1\n2\"\n", ListConfig::default()).unwrap();
    assert_eq!(
        reading.to_string(),
        "1 record from 3 lines, quoting double, 1 record of several lines (line 2 to 3); \
                                     labels are names of 1 class"
    );
}

#[test]
fn labels_of_lists_are_names_or_positions() {
    let content = "path,label\na.jpg,3\nb.jpg,4\nsub/c.jpg,A\n";
    let classes = ["0", "1", "2", "4", "A", "B"];
    let both = &["list.csv: label: ", "\"3\" in line 2 and \"A\" in line 4", "labels = \"names\""];
    assert_error(list_with(content, Some(&classes)), both);
    assert_error(list(content), both);
    assert_error(
        list_with("path,label\na.jpg,dog\nb.jpg,2\n", Some(&["cat", "dog", "fox"])),
        &["\"dog\" in line 2 and \"2\" in line 3"],
    );
    assert_error(
        list_with("path,label\na.jpg,4\n", Some(&classes)),
        &["line 2: label", "position of another, \"A\""],
    );
    let read = |labels, classes: Option<&[&str]>| {
        let config = ListConfig { labels, ..Default::default() };
        read_list(b"path,label\na.jpg,4\nb.jpg,2\n", classes, config, OnError::Fail)
            .map(|(images, _)| images)
    };
    assert_eq!(read(Labels::Names, Some(&classes)).unwrap().labels(), [3, 2]);
    assert_eq!(read(Labels::Positions, Some(&classes)).unwrap().labels(), [4, 2]);
    assert_error(read(Labels::Positions, None), &["line 2: label", "a position below 2"]);
    let (_, reading) =
        read_list(b"path,label\na.jpg,4\nb.jpg,2\n", None, ListConfig::default(), OnError::Fail)
            .unwrap();
    assert!(
        reading.to_string().ends_with("labels are numbers: 2 is class 0, 4 is class 1"),
        "{reading}"
    );
}

#[test]
fn records_that_are_not_text_are_left_out_like_images() {
    let content = b"path,label,note\na.jpg,x,\nb.jpg,y,\xff\nsub/c.jpg,y,\n";
    let read = |on_error| read_list(content, None, ListConfig::default(), on_error);
    assert_error(read(OnError::Fail), &["line 3", "UTF-8"]);
    let (images, reading) = read(OnError::Skip).unwrap();
    assert_eq!((values(&images), images.labels()), (vec![0, 2], &[0, 1][..]));
    assert_eq!((reading.left_out.records, reading.records, reading.lines), (1, 2, 4));
}
