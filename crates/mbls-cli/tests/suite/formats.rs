//! The same rows in every format give the same numbers.

use crate::program::{f32s, folder, i64s, mbls, npy, npz, probs, rows, value, write};
use mbls_cli::Exit;
use tempfile::TempDir;

const OPTIONS: &str = "--no-intervals --format json";

fn expected(folder: &TempDir) -> serde_json::Value {
    let json = mbls(folder, &format!("eval @/rows.npz {OPTIONS}")).json();
    assert_eq!((&json["samples"], &json["classes"]), (&60.into(), &3.into()));
    json["metrics"].clone()
}

#[track_caller]
fn same(folder: &TempDir, arguments: &str) -> String {
    let ran = mbls(folder, &format!("eval {arguments} {OPTIONS}"));
    assert_eq!(ran.json()["metrics"], expected(folder), "{arguments}");
    ran.messages
}

#[test]
fn numpy_in_every_layout() {
    let folder = folder();
    let (logits, labels) = rows();
    write(&folder, "logits.npy", f32s("(60, 3)", &logits));
    write(&folder, "labels.npy", i64s("(60,)", &labels));
    let said = same(&folder, "@/logits.npy");
    assert!(said.contains("labels.npy"), "{said}");
    same(&folder, "@/logits.npy --labels-file @/labels.npy");

    let big = logits.iter().map(|logit| logit.to_be_bytes().to_vec());
    write(&folder, "big.npy", npy(">f4", false, "(60, 3)", big));
    same(&folder, "@/big.npy --labels-file @/labels.npy --logits");
    let columns = (0..180).map(|i| logits[i % 60 * 3 + i / 60].to_le_bytes().to_vec());
    write(&folder, "fortran.npy", npy("<f4", true, "(60, 3)", columns));
    same(&folder, "@/fortran.npy --labels-file @/labels.npy");
    let wide = logits.iter().map(|&logit| f64::from(logit).to_le_bytes().to_vec());
    write(&folder, "wide.npy", npy("<f8", false, "(60, 3)", wide));
    same(&folder, "@/wide.npy --labels-file @/labels.npy");
    // These logits are multiples of 1/8, which f16 holds.
    let half = logits.iter().map(|&logit| half::f16::from_f32(logit).to_le_bytes().to_vec());
    write(&folder, "half.npy", npy("<f2", false, "(60, 3)", half));
    same(&folder, "@/half.npy --labels-file @/labels.npy");

    let arrays = [("a", f32s("(60, 3)", &logits)), ("b", i64s("(60,)", &labels))];
    write(&folder, "unnamed.bin", npz(&arrays, true));
    let said = same(&folder, "@/unnamed.bin");
    assert!(said.contains("scores from \"a\"") && said.contains("labels from \"b\""), "{said}");
    same(&folder, "@/unnamed.bin --scores a --labels b --logits");
}

#[test]
fn labels_of_every_type() {
    let folder = folder();
    let (logits, labels) = rows();
    write(&folder, "x.npy", f32s("(60, 3)", &logits));
    let typed = |name: &str, descr: &str, bytes: &dyn Fn(i64) -> Vec<u8>| {
        write(&folder, name, npy(descr, false, "(60,)", labels.iter().map(|&label| bytes(label))));
        same(&folder, &format!("@/x.npy --labels-file @/{name}"));
    };
    typed("u1.npy", "|u1", &|label| vec![label as u8]);
    typed("i2.npy", ">i2", &|label| (label as i16).to_be_bytes().to_vec());
    typed("u4.npy", "<u4", &|label| (label as u32).to_le_bytes().to_vec());
    typed("u8.npy", "<u8", &|label| (label as u64).to_le_bytes().to_vec());
    typed("f8.npy", "<f8", &|label| (label as f64).to_le_bytes().to_vec());

    let one_hot = labels.iter().flat_map(|&label| (0..3).map(move |k| vec![u8::from(k == label)]));
    write(&folder, "hot.npy", npy("|u1", false, "(60, 3)", one_hot));
    same(&folder, "@/x.npy --labels-file @/hot.npy");
    write(&folder, "column.npy", i64s("(60, 1)", &labels));
    same(&folder, "@/x.npy --labels-file @/column.npy");
    let text: String = labels.iter().map(|label| format!("{label}\n")).collect();
    write(&folder, "labels.txt", text);
    same(&folder, "@/x.npy --labels-file @/labels.txt");
    let from_1: Vec<i64> = labels.iter().map(|label| label + 1).collect();
    write(&folder, "from1.npy", i64s("(60,)", &from_1));
    same(&folder, "@/x.npy --labels-file @/from1.npy --one-based");
}

#[test]
fn safetensors() {
    let folder = folder();
    let (logits, labels) = rows();
    let logits: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
    let labels: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    let tensors = [
        ("logits", safetensors::Dtype::F32, vec![60, 3], &logits),
        ("labels", safetensors::Dtype::I64, vec![60], &labels),
    ]
    .map(|(name, dtype, shape, data)| {
        (name, safetensors::tensor::TensorView::new(dtype, shape, data).unwrap())
    });
    let file = safetensors::serialize(tensors, None).unwrap();
    write(&folder, "x.st", &file);
    same(&folder, "@/x.st");
    for length in [8, 60, file.len() - 1] {
        write(&folder, "cut.st", &file[..length]);
        let ran = mbls(&folder, "eval @/cut.st --no-intervals");
        assert_eq!(ran.exit, Exit::BadInput, "{length} bytes: {}", ran.messages);
    }
}

#[test]
fn text_with_any_delimiter() {
    let folder = folder();
    let (logits, labels) = rows();
    for (name, delimiter) in [("x.csv", ","), ("x.tsv", "\t"), ("semicolon.csv", ";")] {
        let header = ["id", "logit_0", "logit_1", "logit_2", "label"].join(delimiter);
        let line = |(row, (logits, label)): (usize, (&[f32], &i64))| {
            let cells = [row as f32, logits[0], logits[1], logits[2]].map(|cell| cell.to_string());
            format!("{}{delimiter}{label}\r\n", cells.join(delimiter))
        };
        let body: String = logits.chunks(3).zip(&labels).enumerate().map(line).collect();
        write(&folder, name, format!("\u{feff}{header}\r\n{body}"));
        let said = same(&folder, &format!("@/{name}"));
        assert!(said.contains("columns \"logit_0\" to \"logit_2\""), "{said}");
    }
}

#[test]
fn probabilities_are_recognised_by_name_and_content() {
    let folder = folder();
    let labels = i64s("(60,)", &rows().1);
    let expected = expected(&folder);
    for name in ["probs", "x"] {
        let arrays = [(name, f32s("(60, 3)", &probs())), ("y", labels.clone())];
        write(&folder, "p.npz", npz(&arrays, false));
        let ran = mbls(&folder, &format!("eval @/p.npz {OPTIONS}"));
        assert!(ran.messages.contains("read as probabilities (found)"), "{}", ran.messages);
        let json = ran.json();
        // Not AURC: rows whose logits differ by a constant tie only before the softmax in f32.
        for key in ["accuracy", "nll", "ece", "cece", "smece"] {
            let expected = expected[key]["value"].as_f64().unwrap();
            assert!((value(&json, key) - expected).abs() < 1e-6, "{key}");
        }
    }
}

#[test]
fn one_column_of_probabilities_is_binary() {
    let folder = TempDir::new().unwrap();
    write(&folder, "x.csv", "prob,label\n0.75,1\n0.25,1\n0.125,0\n");
    let ran = mbls(&folder, &format!("eval @/x.csv {OPTIONS}"));
    assert!(ran.messages.contains("probabilities of class 1"), "{}", ran.messages);
    let json = ran.json();
    assert_eq!((value(&json, "accuracy"), &json["classes"]), (2.0 / 3.0, &2.into()));
    let arrays = [("probs", f32s("(3,)", &[0.75, 0.25, 0.125])), ("y", i64s("(3,)", &[1, 1, 0]))];
    write(&folder, "x.npz", npz(&arrays, false));
    assert_eq!(
        mbls(&folder, &format!("eval @/x.npz {OPTIONS}")).json()["metrics"],
        json["metrics"]
    );
}

#[test]
fn pixels_are_rows_and_ignored_labels_are_left_out() {
    let folder = folder();
    let (logits, mut labels) = rows();
    // [2, 3, 5, 6] of the rows in the order of images, y and x.
    let pixel = |i: usize| {
        let (image, class, place) = (i / 90, i / 30 % 3, i % 30);
        logits[(image * 30 + place) * 3 + class]
    };
    let planes: Vec<f32> = (0..180).map(pixel).collect();
    let arrays =
        [("logits", f32s("(2, 3, 5, 6)", &planes)), ("labels", i64s("(2, 5, 6)", &labels))];
    write(&folder, "masks.npz", npz(&arrays, false));
    same(&folder, "@/masks.npz");

    labels[7] = 255;
    labels[40] = 255;
    let arrays =
        [("logits", f32s("(2, 3, 5, 6)", &planes)), ("labels", i64s("(2, 5, 6)", &labels))];
    write(&folder, "void.npz", npz(&arrays, false));
    let json = mbls(&folder, &format!("eval @/void.npz --ignore-index 255 {OPTIONS}")).json();
    assert_eq!((&json["samples"], &json["ignored"]), (&58.into(), &2.into()));
    let ran = mbls(&folder, "eval @/void.npz");
    assert_eq!(ran.exit, Exit::BadInput);
    assert!(
        ran.messages.contains("label 255") && ran.messages.contains("--ignore-index 255"),
        "{}",
        ran.messages
    );
}

#[test]
fn void_0_and_classes_from_1() {
    let folder = folder();
    let (logits, labels) = rows();
    let shifted: Vec<i64> = labels
        .iter()
        .enumerate()
        .map(|(row, label)| if row < 10 { 0 } else { label + 1 })
        .collect();
    let arrays = [("logits", f32s("(60, 3)", &logits)), ("labels", i64s("(60,)", &shifted))];
    write(&folder, "void.npz", npz(&arrays, false));
    let json =
        mbls(&folder, &format!("eval @/void.npz --ignore-index 0 --one-based {OPTIONS}")).json();
    let arrays =
        [("logits", f32s("(50, 3)", &logits[30..])), ("labels", i64s("(50,)", &labels[10..]))];
    write(&folder, "rest.npz", npz(&arrays, false));
    let rest = mbls(&folder, &format!("eval @/rest.npz {OPTIONS}")).json();
    assert_eq!(json["metrics"], rest["metrics"]);
}

#[test]
fn confidences_alone() {
    let folder = TempDir::new().unwrap();
    write(&folder, "x.csv", "true_label,pred_label,confidence\ncat,cat,0.875\ndog,cat,0.75\n");
    let json = mbls(&folder, &format!("eval @/x.csv {OPTIONS}")).json();
    assert_eq!((value(&json, "accuracy"), value(&json, "aurc")), (0.5, 0.25));
    assert!(json["metrics"]["nll"]["value"].is_null() && json["classes"].is_null());
    write(&folder, "y.csv", "confidence,correct\n0.875,true\n0.75,0\n");
    let same = mbls(&folder, &format!("eval @/y.csv {OPTIONS}")).json();
    assert_eq!(same["metrics"]["ece"], json["metrics"]["ece"]);
}

#[test]
fn several_files_and_every_output() {
    let folder = folder();
    let both = mbls(&folder, "eval @/rows.npz @/rows.npz --format json --no-intervals").json();
    assert_eq!(both[0], both[1]);
    for (format, part) in [
        ("table", "balanced_accuracy"),
        ("csv", ",60,3,ece,"),
        ("markdown", "| balanced\\_accuracy |"),
    ] {
        let ran =
            mbls(&folder, &format!("eval @/rows.npz @/rows.npz --no-intervals --format {format}"));
        assert!(ran.exit == Exit::Fine && ran.out.contains(part), "{}", ran.out);
    }
    let quiet = mbls(&folder, "eval @/rows.npz --no-intervals --quiet");
    assert_eq!((quiet.exit, &*quiet.messages), (Exit::Fine, ""));
}

/// A file as `torch.save({"logits": logits, "labels": labels}, path)` writes it.
#[test]
fn torch() {
    let folder = folder();
    let (logits, labels) = rows();
    let text = |text: &str| {
        let mut bytes = b"X".to_vec();
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    let tensor = |class: &str, key: &str, size: u8, shape: &[u8]| {
        let mut bytes = b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
        bytes.extend(text("storage"));
        bytes.extend(format!("ctorch\n{class}\n").bytes());
        bytes.extend(text(key));
        bytes.extend(text("cpu"));
        // The persistent id ends; the tensor begins at element 0.
        bytes.extend([b'K', size, b't', b'Q', b'K', 0]);
        match *shape {
            [rows, classes] => {
                bytes.extend([b'K', rows, b'K', classes, 0x86, b'K', classes, b'K', 1, 0x86]);
            }
            _ => bytes.extend([b'K', size, 0x85, b'K', 1, 0x85]),
        }
        bytes.extend(b"\x89ccollections\nOrderedDict\n)RtR");
        bytes
    };
    let mut pickle = b"\x80\x02}(".to_vec();
    pickle.extend(text("logits"));
    pickle.extend(tensor("FloatStorage", "0", 180, &[60, 3]));
    pickle.extend(text("labels"));
    pickle.extend(tensor("LongStorage", "1", 60, &[60]));
    // An object of an unknown class, which is kept as a name.
    pickle.extend(text("attack"));
    pickle.extend(b"cos\nsystem\n");
    pickle.extend(text("touch ran"));
    pickle.extend(b"\x85Ru.");
    let numbers: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
    let integers: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in [
        ("data.pkl", &pickle),
        ("byteorder", &b"little".to_vec()),
        ("data/0", &numbers),
        ("data/1", &integers),
        ("version", &b"3\n".to_vec()),
    ] {
        writer.start_file(format!("rows/{name}"), options).unwrap();
        std::io::Write::write_all(&mut writer, bytes).unwrap();
    }
    write(&folder, "rows.pt", writer.finish().unwrap().into_inner());
    same(&folder, "@/rows.pt");
    assert!(!std::path::Path::new("ran").exists());
}

#[test]
fn json_lines_and_gzip() {
    let folder = folder();
    let (logits, labels) = rows();
    let line = |(logits, label): (&[f32], &i64)| {
        format!("{{\"id\": \"x\", \"logits\": {logits:?}, \"label\": {label}}}\n")
    };
    let text: String = logits.chunks(3).zip(&labels).map(line).collect();
    write(&folder, "x.jsonl", &text);
    same(&folder, "@/x.jsonl");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    write(&folder, "x.jsonl.gz", &gzip);
    same(&folder, "@/x.jsonl.gz");

    write(&folder, "cut.gz", &gzip[..gzip.len() / 2]);
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, b"prob_0,prob_1,label\n").unwrap();
    for _ in 0..100 {
        std::io::Write::write_all(&mut bomb, &b"0,1,1\n".repeat(200_000)).unwrap();
    }
    write(&folder, "bomb.gz", bomb.finish().unwrap());
    write(&folder, "missing.jsonl", "{\"logits\": [1, 2], \"label\": 0}\n{\"logits\": [1, 2]}\n");
    write(
        &folder,
        "longer.jsonl",
        "{\"logits\": [1, 2], \"label\": 0}\n{\"logits\": [1, 2, 3], \"label\": 0}\n",
    );
    write(&folder, "broken.jsonl", "{\"logits\": [1, 2], \"label\": 0}\n{\"logits\": [1, 2}\n");
    write(&folder, "null.jsonl", "{\"logits\": [1, null], \"label\": 0}\n");
    write(&folder, "array.json", "[1, 2, 3]");
    for (file, part) in [
        ("cut.gz", "cut.gz"),
        ("bomb.gz", "more than 200 times"),
        ("missing.jsonl", "row 1: line 2"),
        ("longer.jsonl", "row 1: line 2"),
        ("broken.jsonl", "line 2: expected a JSON object"),
        ("null.jsonl", "\"null\": expected a number"),
        ("array.json", "JSON lines"),
    ] {
        let ran = mbls(&folder, &format!("eval @/{file} --no-intervals"));
        assert_eq!(ran.exit, Exit::BadInput, "{file}");
        assert!(ran.messages.contains(part), "{}", ran.messages);
    }
}

/// A pickle of `((logits, labels), (logits, labels))`, with the arrays as NumPy writes them in the
/// protocols 2 to 4 (`_reconstruct`) and 5 (`_frombuffer`).
#[test]
fn pickles_of_numpy_arrays() {
    let folder = folder();
    let (logits, labels) = rows();
    let logits: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
    let labels: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    let text = |text: &str| [&[0x8c, text.len() as u8], text.as_bytes()].concat();
    let dtype = |name: &str| {
        let state = [&b"(K\x03"[..], &text("<"), b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"];
        [&b"cnumpy\ndtype\n"[..], &text(name), b"\x89\x88\x87R", &state.concat()].concat()
    };
    let bytes = |bytes: &[u8]| [&b"B"[..], &(bytes.len() as u32).to_le_bytes(), bytes].concat();
    let reconstruct = |name: &str, shape: &[u8], content: &[u8]| {
        let empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R";
        [&empty[..], b"(K\x01", shape, &dtype(name), b"\x89", &bytes(content), b"tb"].concat()
    };
    let from_buffer = |name: &str, shape: &[u8], content: &[u8]| {
        let function = b"cnumpy._core.numeric\n_frombuffer\n(";
        let buffer = [&b"\x96"[..], &(content.len() as u64).to_le_bytes(), content].concat();
        [&function[..], &buffer, &dtype(name), shape, &text("C"), b"tR"].concat()
    };
    type Make<'a> = &'a dyn Fn(&str, &[u8], &[u8]) -> Vec<u8>;
    for (protocol, make) in [(4, &reconstruct as Make<'_>), (5, &from_buffer as Make<'_>)] {
        let pair = [make("f4", b"K\x3cK\x03\x86", &logits), make("i8", b"K\x3cK\x01\x86", &labels)];
        let pair = [&pair.concat()[..], b"\x86"].concat();
        write(&folder, "one.p", [&[0x80, protocol], &pair[..], b"."].concat());
        same(&folder, "@/one.p");
        write(&folder, "two.p", [&[0x80, protocol], &pair[..], &pair, b"\x86."].concat());
        same(&folder, "@/two.p --scores test_logits --labels test_labels");
        let ran = mbls(&folder, "eval @/two.p");
        assert_eq!(ran.exit, Exit::BadInput);
        assert!(
            ran.messages.contains("\"val_logits\"") && ran.messages.contains("--scores"),
            "{}",
            ran.messages
        );
        write(&folder, "cut.p", &[&[0x80, protocol], &pair[..], b"."].concat()[..300]);
        assert_eq!(mbls(&folder, "eval @/cut.p").exit, Exit::BadInput);
    }
}
