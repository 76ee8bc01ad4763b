//! Runs the program, and writes the files it reads.

use mbls_cli::Exit;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use tempfile::TempDir;

pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) messages: String,
}

/// Runs `mbls` with arguments that are separated by spaces, in which `@` stands for the folder.
pub(crate) fn mbls(folder: &TempDir, arguments: &str) -> Ran {
    let path = folder.path().to_str().unwrap();
    let arguments = std::iter::once("mbls".to_owned())
        .chain(arguments.split_whitespace().map(|argument| argument.replace('@', path)));
    let (mut out, mut messages) = (Vec::new(), Vec::new());
    let exit = mbls_cli::run(arguments, &mut out, &mut messages);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { exit, out: text(out), messages: text(messages) }
}

impl Ran {
    /// Returns standard output as JSON after checking that all is well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.exit, Exit::Fine, "{}", self.messages);
        serde_json::from_str(&self.out).unwrap()
    }
}

pub(crate) fn value(json: &Value, key: &str) -> f64 {
    json["metrics"][key]["value"].as_f64().unwrap_or_else(|| panic!("{key} of {json}"))
}

pub(crate) fn write(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Returns an `.npy` file.
pub(crate) fn npy(
    descr: &str,
    fortran: bool,
    shape: &str,
    data: impl IntoIterator<Item = Vec<u8>>,
) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    data.into_iter().for_each(|bytes| file.extend(bytes));
    file
}

pub(crate) fn f32s(shape: &str, numbers: &[f32]) -> Vec<u8> {
    npy("<f4", false, shape, numbers.iter().map(|number| number.to_le_bytes().to_vec()))
}

pub(crate) fn i64s(shape: &str, numbers: &[i64]) -> Vec<u8> {
    npy("<i8", false, shape, numbers.iter().map(|number| number.to_le_bytes().to_vec()))
}

/// Returns an `.npz` file, as `numpy.savez` or `numpy.savez_compressed` writes it.
pub(crate) fn npz(arrays: &[(&str, Vec<u8>)], compressed: bool) -> Vec<u8> {
    let method =
        if compressed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Logits of 60 rows and 3 classes, and their labels.
pub(crate) fn rows() -> (Vec<f32>, Vec<i64>) {
    let logits = (0..180).map(|i| ((i * 37 + 11) % 41) as f32 / 8.0 - 2.0).collect();
    let labels = (0..60).map(|i| (i * i + i / 7) % 3).collect();
    (logits, labels)
}

/// The softmax of [`rows`], in f32.
pub(crate) fn probs() -> Vec<f32> {
    let softmax = |row: &[f32]| {
        let exps: Vec<f32> = row.iter().map(|logit| logit.exp()).collect();
        let sum: f32 = exps.iter().sum();
        exps.into_iter().map(move |exp| exp / sum).collect::<Vec<_>>()
    };
    rows().0.chunks(3).flat_map(softmax).collect()
}

/// A folder with `rows.npz`.
pub(crate) fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let (logits, labels) = rows();
    let arrays = [("logits", f32s("(60, 3)", &logits)), ("labels", i64s("(60,)", &labels))];
    write(&folder, "rows.npz", npz(&arrays, false));
    folder
}
