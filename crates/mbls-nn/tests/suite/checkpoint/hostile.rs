//! Damaged and malicious files.

use super::files::{Entry, Pickle, archive, entries, legacy, zip};
use super::torch::path;
use mbls_nn::Checkpoint;
use mbls_nn::checkpoint::{StateDict, ToTensor};

/// Reads a file and everything in it.
fn use_all(file: &[u8]) -> Result<(), String> {
    let checkpoint = Checkpoint::from_bytes(file).map_err(|e| e.to_string())?;
    let weights = checkpoint.state_dict();
    for (key, value) in checkpoint.root().entries() {
        let _ = (key.to_string(), value.to_string(), value.tensor().is_ok());
    }
    weights.map(drop).map_err(|e| e.to_string())
}

/// Returns the problem with this pickle, which both containers report.
fn problem(pickle: &[u8]) -> String {
    let new = use_all(&archive(pickle)).expect_err("a zip archive");
    use_all(&legacy(pickle)).expect_err("the older container");
    new
}

#[track_caller]
fn refused(pickle: &[u8], part: &str) {
    let message = problem(pickle);
    assert!(message.contains(part), "{message}");
}

fn small_files() -> Vec<(&'static str, Vec<u8>)> {
    let names = [
        "zip-protocol-4.pth",
        "legacy-protocol-2.pth",
        "legacy-protocol-4.pth",
        "zip-views.pth",
        "legacy-views.pth",
    ];
    let mut files: Vec<_> =
        names.iter().map(|&name| (name, std::fs::read(path(name)).expect(name))).collect();
    let tensors =
        Checkpoint::read(&path("zip-types.pth")).expect("types").state_dict().expect("tensors");
    files.push(("safetensors", safetensors::serialize(tensors, None).expect("bytes")));
    files
}

#[test]
fn the_files_written_by_hand_are_read() {
    let pickle = Pickle::dict_of_tensor(6, 1, &[2, 2], &[1, 2]);
    for file in [archive(&pickle), legacy(&pickle)] {
        let weights =
            Checkpoint::from_bytes(file).expect("a checkpoint").state_dict().expect("weights");
        assert_eq!(weights["w"].to_vec2::<f32>().expect("a matrix"), [[1.0, 3.0], [2.0, 4.0]]);
    }
}

#[test]
fn texts_of_python_2_and_parts_of_storages_are_read() {
    let call = Pickle::new().op(b"}U\x01wctorch._utils\n_rebuild_tensor\n((").text("storage");
    let storage = call.op(b"ctorch\nFloatStorage\n").text("0").text("cpu").int(6);
    let part = storage.op(b"(").text("part").int(2).int(3).op(b"ttQ");
    let pickle = part.int(1).ints(&[2]).ints(&[1]).op(b"tRs.").0;
    for file in [archive(&pickle), legacy(&pickle)] {
        let weights =
            Checkpoint::from_bytes(file).expect("a checkpoint").state_dict().expect("weights");
        assert_eq!(weights["w"].to_vec1::<f32>().expect("a vector"), [3.0, 4.0]);
    }
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    for (name, file) in small_files() {
        for end in 0..file.len() {
            assert!(
                Checkpoint::from_bytes(&file[..end]).is_err(),
                "{name}, {end} of {} bytes",
                file.len()
            );
        }
        assert!(Checkpoint::from_bytes(file).is_ok(), "{name}");
    }
}

#[test]
fn a_changed_byte_never_panics() {
    for (name, mut file) in small_files() {
        let mut read = 0;
        for at in 0..file.len() {
            for change in [0x01, 0x80, 0xff] {
                file[at] ^= change;
                read += usize::from(use_all(&file).is_ok());
                file[at] ^= change;
            }
        }
        println!("{name}: {read} of {} changes are not noticed", 3 * file.len());
    }
}

#[test]
fn changed_weights_in_an_archive_are_noticed() {
    let file = archive(&Pickle::dict_of_tensor(6, 0, &[6], &[1]));
    let at = file.windows(4).position(|bytes| bytes == 3f32.to_le_bytes()).expect("a number");
    for bit in 0..32 {
        let mut file = file.clone();
        file[at + bit / 8] ^= 1 << (bit % 8);
        let message = use_all(&file).expect_err("a changed bit");
        assert!(message.contains("data/0 is damaged"), "{message}");
    }
}

#[test]
fn files_that_are_not_checkpoints_are_named() {
    for (file, part) in [
        (&b""[..], "empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"\n <html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git-lfs"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
        (b"\x93NUMPY\x01\0", "begins with the bytes [93, 4e"),
        (b"\x80\x02}q\0.", "not one of torch.save"),
        (b"\x80\x02", "no end"),
        (b"\x10\0\0\0\0\0\0\0{}", "truncated or damaged safetensors file"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff{}", "safetensors"),
    ] {
        let message = Checkpoint::from_bytes(file).expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
    let missing = Checkpoint::read(&path("no-such-file.pth")).expect_err("no file").to_string();
    assert!(missing.contains("no-such-file.pth"), "{missing}");
}

#[test]
fn archives_that_say_something_wrong_are_refused() {
    let pickle = Pickle::dict_of_tensor(6, 0, &[6], &[1]);
    let change = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = entries(&pickle);
        change(&mut entries);
        use_all(&zip(&entries)).expect_err("an error")
    };
    let twice = |all: &mut Vec<Entry>| all.push(Entry::new("a/data/0", &[0; 24]));
    for (message, part) in [
        (change(&|all| all[2].size = 23), "damaged"),
        (change(&|all| all[2] = Entry::new("a/data/0", &[0; 20])), "has 20 bytes"),
        (change(&|all| all[2].size = 1 << 30), ""),
        (change(&|all| all[2].size = u32::MAX - 1), ""),
        (change(&|all| all[2].compression = 8), "compressed"),
        (change(&|all| all[2].crc = 1), "damaged"),
        (change(&twice), "two entries"),
        (change(&|all| drop(all.remove(2))), "no entry for storage \"0\""),
        (change(&|all| drop(all.remove(0))), "no entry data.pkl"),
        (change(&|all| all.push(Entry::new("b/data.pkl", &pickle))), "several entries data.pkl"),
        (change(&|all| all.push(Entry::new("a/constants.pkl", &pickle))), "TorchScript"),
        (change(&|all| all[1] = Entry::new("a/byteorder", b"big")), "big-endian"),
        (change(&|all| all[1] = Entry::new("a/byteorder", b"odd")), "byteorder"),
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn overlapping_entries_are_refused() {
    let mut file = archive(&Pickle::dict_of_tensor(6, 0, &[6], &[1]));
    // The second entry of the directory, moved to the position of the first.
    let second = file
        .windows(4)
        .enumerate()
        .filter(|(_, bytes)| bytes == b"PK\x01\x02")
        .map(|(at, _)| at)
        .nth(1);
    let second = second.expect("a second entry");
    file[second + 42..second + 46].fill(0);
    assert!(use_all(&file).is_err());
}

#[test]
fn the_older_container_is_checked() {
    let file = legacy(&Pickle::dict_of_tensor(6, 0, &[6], &[1]));
    let storage = file.len() - 32;
    for (length, part) in
        [(5i64, "has 20 bytes"), (7, "truncated"), (-1, "truncated"), (i64::MAX, "truncated")]
    {
        let mut file = file.clone();
        file[storage..storage + 8].copy_from_slice(&length.to_le_bytes());
        let message = use_all(&file).expect_err(part);
        assert!(message.contains(part), "{message}");
    }
    let mut big = file.clone();
    let at = big.windows(2).position(|bytes| bytes == b"\x88s").expect("the byte order");
    big[at] = 0x89;
    assert!(use_all(&big).expect_err("big-endian").contains("big-endian"));
    let mut other = file;
    other[6] ^= 1;
    assert!(use_all(&other).expect_err("another number").contains("not one of torch.save"));
}

#[test]
fn tensors_outside_their_storage_are_refused() {
    let outside = "does not lie within its storage";
    let large = "larger than its file";
    for (length, offset, shape, stride, part) in [
        (6, 1, &[6][..], &[1][..], outside),
        (6, 0, &[2, 3], &[3, 2], outside),
        (6, i64::MAX, &[2], &[1], outside),
        (6, 0, &[3], &[i64::MAX], outside),
        (6, 6, &[], &[], outside),
        (0, 0, &[1], &[1], outside),
        (6, 0, &[-1], &[1], "-1, expected 0 or more"),
        (6, 0, &[2], &[-1], "-1, expected 0 or more"),
        (6, -1, &[1], &[1], "offset is -1"),
        (-6, 0, &[1], &[1], "storage of -6"),
        (6, 0, &[2, 3], &[1], "strides"),
        (6, 0, &[1_000_000_000], &[0], large),
        (6, 0, &[1 << 62, 4], &[0, 0], large),
        (6, 0, &[1 << 62, 1 << 62, 0], &[0, 0, 0], large),
        (i64::MAX, 0, &[1], &[1], "has 24 bytes"),
        (7, 0, &[1], &[1], "has 24 bytes"),
        (6, 0, &[1; 65], &[1; 65], "65 axes"),
    ] {
        refused(&Pickle::dict_of_tensor(length, offset, shape, stride), part);
    }
}

#[test]
fn many_broadcast_tensors_are_together_bounded() {
    let mut pickle = Pickle::new().op(b"}");
    for i in 0..40 {
        pickle =
            pickle.text(&format!("w{i}")).tensor("0", 6, 0, &[1 << 16, 1 + i], &[0, 0]).op(b"s");
    }
    refused(&pickle.op(b".").0, "together");
}

#[test]
fn malformed_calls_are_refused() {
    let rebuild = || Pickle::new().op(b"}").text("w").op(b"ctorch._utils\n_rebuild_tensor_v2\n");
    let parameter = || Pickle::new().op(b"}").text("w").op(b"ctorch._utils\n_rebuild_parameter\n");
    let storage =
        |inner: fn(Pickle) -> Pickle| inner(Pickle::new().op(b"(").text("storage")).op(b"tQ.").0;
    for (pickle, part) in [
        (rebuild().op(b")Rs.").0, "0 parts"),
        (rebuild().op(b"K\x01\x85Rs.").0, "1 parts"),
        (rebuild().op(b"(K\x01K\x01K\x01K\x01tRs.").0, "storage is 1"),
        (rebuild().op(b"NRs.").0, "arguments of a call are None"),
        (rebuild().op(b"(").storage("0", 6).op(b"K\0]]tRs.").0, "shape is a list"),
        (rebuild().op(b"(").storage("0", 6).op(b"N))tRs.").0, "offset is None"),
        (rebuild().op(b"(").storage("0", 6).op(b"K\0N\x85K\x01\x85tRs.").0, "shape holds None"),
        (parameter().op(b")Rs.").0, "without a tensor"),
        (storage(|p| p), "not a reference to a storage"),
        (storage(|p| p.op(b"NNNN")), "None is not a storage class"),
        (storage(|p| p.op(b"cos\nFloatStorage\nNNN")), "not a storage class"),
        (storage(|p| p.op(b"ctorch\nFloatStorage\nNNK\x01")), "key is None"),
        (
            storage(|p| p.op(b"ctorch\nFloatStorage\n").text("0").op(b"NK\x06N\x85")),
            "part of a storage",
        ),
        (Pickle::new().op(b"NQ.").0, "not a reference to a storage"),
        (Pickle::new().op(b"]NNs.").0, "not a dict"),
        (Pickle::new().op(b"}(Nu.").0, "without a value"),
        (Pickle::new().op(b"}Na.").0, "not a list"),
        (Pickle::new().op(b"NN\x93.").0, "not a string"),
    ] {
        refused(&pickle, part);
    }
}

#[test]
fn pickles_that_torch_does_not_write_are_refused() {
    for (pickle, part) in [
        (&b"\x80\x06."[..], "PROTO at byte 0: protocol 6"),
        (b"\x80\x02.", "STOP at byte 2: the stack is empty"),
        (b"\x80\x02(.", "stack is empty"),
        (b"\x80\x02N(0.", ""),
        (b"\x80\x02t.", "TUPLE at byte 2: no mark"),
        (b"\x80\x02h\x07.", "BINGET at byte 2: the memo has no entry 7"),
        (b"\x80\x02ios\nsystem\n.", "INST at byte 2: torch.save does not produce it"),
        (b"\x80\x02I1\n.", "INT at byte 2"),
        (b"\x80\x02\x98.", "READONLY_BUFFER"),
        (b"\x80\x02\xfe.", "0xfe at byte 2"),
        (
            b"\x80\x02X\xff\xff\xff\xffab.",
            "BINUNICODE at byte 2: 4294967295 bytes expected, 3 are left",
        ),
        (b"\x80\x02T\xff\xff\xff\xffab.", "4294967295"),
        (b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffab.", "18446744073709551615 bytes expected"),
        (b"\x80\x02\x8b\xff\xff\xff\x7fab.", "2147483647"),
        (b"\x80\x02\x8a\xffab.", "LONG1 at byte 2: 255 bytes expected, 3 are left"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.", "FRAME"),
        (b"\x80\x02X\x02\0\0\0\xff\xfe.", "UTF-8"),
        (b"\x80\x02cos", "GLOBAL at byte 2"),
        (b"\x80\x02}", "no end"),
        (b"\x80\x02}.", "a dict of 0"),
        (b"\x80\x02\x8a\0.", "it is 0"),
        (b"\x80\x02\x8a\x01\xff.", "it is -1"),
        (b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01.", "an integer of 9 bytes"),
    ] {
        refused(pickle, part);
    }
}

#[test]
fn functions_are_never_run_but_named_where_a_tensor_is_needed() {
    let file = std::env::temp_dir().join(format!("mbls-nn-never-{}", std::process::id()));
    let call = |p: Pickle| {
        p.op(b"cposix\nsystem\n").text(&format!("touch {}", file.display())).op(b"\x85R")
    };
    let weights = |p: Pickle| p.op(b"}").text("w").tensor("0", 6, 0, &[6], &[1]).op(b"s");
    let pickle = weights(Pickle::new().op(b"}(").text("state_dict")).text("hook");
    let pickle = call(pickle).op(b"u.").0;
    // Outside the weights it is kept.
    for bytes in [archive(&pickle), legacy(&pickle)] {
        let checkpoint = Checkpoint::from_bytes(bytes).expect("a checkpoint");
        assert_eq!(checkpoint.state_dict().expect("weights").len(), 1);
        assert_eq!(
            checkpoint.root().get("hook").expect("hook").class().as_deref(),
            Some("posix.system")
        );
    }
    // Among the weights it is an error.
    let among = weights(Pickle::new().op(b"}").text("state_dict")).text("v");
    refused(&call(among).op(b"ss.").0, "\"v\": an object made by posix.system, which is not run");
    refused(&call(Pickle::new()).op(b".").0, "posix.system");
    // Functions called while objects are built are an error too.
    let built =
        Pickle::new().op(b"}").text("v").op(b"cbuiltins\neval\n").text("1/0").op(b"\x85\x81}b");
    refused(&built.op(b"s.").0, "builtins.eval");
    assert!(!file.exists());
}

#[test]
fn bombs_are_defused() {
    let many = |ops: &[u8], count: usize| ops.repeat(count);
    // A million nested lists, as many marks, and objects that contain themselves.
    let nested =
        [b"\x80\x02".to_vec(), many(b"]", 1_000_000), many(b"a", 999_999), b".".to_vec()].concat();
    refused(&nested, "a list of 1");
    refused(
        &[b"\x80\x02".to_vec(), many(b"(", 1_000_000), b".".to_vec()].concat(),
        "stack is empty",
    );
    refused(
        &[b"\x80\x02".to_vec(), many(b"(", 1_000_000), many(b"t", 1_000_000), b".".to_vec()]
            .concat(),
        "a tuple of 1",
    );
    refused(b"\x80\x02]q\0h\0a.", "a list of 1");
    refused(b"\x80\x02}q\0X\x05\0\0\0modelh\0s.", "a dict of 1");
    // 2^10000 items, if the memo copied.
    let doubled: Vec<u8> = (0..10_000u32)
        .flat_map(|i| [b"q\0h\0h\0\x86", &b"r"[..], &i.to_le_bytes()].concat())
        .collect();
    refused(&[b"\x80\x02N", &doubled[..], b"."].concat(), "a tuple of 2");
    // A long list of pairs, converted to a dict again and again.
    let pairs = [
        b"\x80\x02](".to_vec(),
        many(b"NN\x86", 10_000),
        b"eq\0ccollections\nOrderedDict\nq\x01".to_vec(),
    ]
    .concat();
    refused(&[pairs, many(b"h\x01h\0\x85R0", 100_000), b".".to_vec()].concat(), "copy more than");
    // More objects than a checkpoint may have.
    refused(
        &[b"\x80\x02".to_vec(), many(b"]", 5_000_000), b".".to_vec()].concat(),
        "more than 4194304 objects",
    );
    refused(
        &[b"\x80\x02N".to_vec(), many(b"\x94", 5_000_000), b".".to_vec()].concat(),
        "objects in the memo",
    );
    // A tensor with attributes around a tensor with attributes, a million times.
    let wrapped =
        [many(b"h\0(h\0N", 1_000_000), b")N".to_vec(), many(b"tR", 1_000_000), b".".to_vec()]
            .concat();
    refused(
        &[b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\nq\x000".to_vec(), wrapped].concat(),
        "made by torch._tensor._rebuild_from_type_v2",
    );
}
