//! Bad input gives an error that names the file and the field, and leaves existing files intact.

use crate::support::{fail, program, run, tensors, text};
use std::path::Path;

const RECORD: usize = 3073;

fn cifar_folder(data: &Path) {
    let folder = data.join("cifar-10-batches-bin");
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in [
        "data_batch_1",
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
        "test_batch",
    ] {
        let records: Vec<u8> = (0..10_000usize)
            .flat_map(|i| std::iter::once((i % 10) as u8).chain([7; RECORD - 1]))
            .collect();
        std::fs::write(folder.join(name).with_extension("bin"), records).expect("a file");
    }
}

fn bench_cifar(data: &Path, out: &Path) -> std::process::Command {
    let [data, out] = [data, out].map(|path| path.to_str().expect("UTF-8"));
    program(&["bench", "cifar10", "--data", data, "--out", out, "--device", "cpu"])
}

#[test]
fn cifar_files_of_the_wrong_size_and_with_wrong_labels() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    cifar_folder(&data);
    let batch = data.join("cifar-10-batches-bin/data_batch_3.bin");
    let good = std::fs::read(&batch).expect("a file");

    std::fs::write(&batch, &good[..good.len() - 1]).expect("a file");
    let text = fail(bench_cifar(&data, &out));
    assert!(
        text.contains("data_batch_3.bin") && text.contains("30730000") && text.contains("30729999"),
        "{text}"
    );

    std::fs::write(&batch, [&good[..], &[0]].concat()).expect("a file");
    let text = fail(bench_cifar(&data, &out));
    assert!(text.contains("data_batch_3.bin") && text.contains("30730000"), "{text}");

    let mut labelled = good;
    labelled[5 * RECORD] = 10;
    std::fs::write(&batch, labelled).expect("a file");
    let text = fail(bench_cifar(&data, &out));
    assert!(
        text.contains("data_batch_3.bin") && text.contains("label") && text.contains("10"),
        "{text}"
    );
}

#[test]
fn truncated_idx_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let mnist = folder.path().join("mnist");
    std::fs::create_dir_all(&mnist).expect("a folder");
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
    images.extend([9; 2 * 28 * 28 - 1]);
    std::fs::write(mnist.join("train-images-idx3-ubyte"), images).expect("a file");
    std::fs::write(mnist.join("train-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 2, 3, 4])
        .expect("a file");
    let out = folder.path().join("out");
    let [data, out] = [folder.path(), &out].map(|path| path.to_str().expect("UTF-8"));
    let text = fail(program(&["bench", "mnist", "--data", data, "--out", out, "--device", "cpu"]));
    assert!(text.contains("train-images-idx3-ubyte"), "{text}");
}

#[test]
fn unknown_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_str().expect("UTF-8");
    let text = fail(program(&["bench", "digit", "--out", out]));
    assert!(text.contains("\"digit\"") && text.contains("digits-noisy"), "{text}");
    let text = fail(program(&["bench", "digits", "--loss", "mlbs", "--out", out]));
    assert!(text.contains("--loss mlbs") && text.contains("mbls"), "{text}");
    let text = fail(program(&["bench", "digits", "--model", "resnet21", "--out", out]));
    assert!(text.contains("--model resnet21: the suite digits has images with classes"), "{text}");
    assert!(
        text.contains("resnet20,") && !text.contains("text-cnn") && !text.contains("unet"),
        "{text}"
    );
    let text = fail(program(&["bench", "digits", "--model", "text-cnn", "--out", out]));
    assert!(
        text.contains(
            "--model text-cnn: the suite digits has images with classes: expected one of"
        ),
        "{text}"
    );
    let text = fail(program(&["bench", "--out", out]));
    assert!(text.contains("<SUITE>") || text.contains("[SUITE]"), "{text}");
    let text = fail(program(&["bench", "digits", "--model", "resnet50", "--out", out]));
    assert!(text.contains("resnet50: image size = 8x8, expected at least 32x32"), "{text}");
    let text = fail(program(&["bench-all", "--profile", "huge", "--out", out]));
    assert!(text.contains("--profile huge") && text.contains("local"), "{text}");
    let text = fail(program(&["bench", "cifar10", "--out", out]));
    assert!(text.contains("cifar-10-batches-bin") && text.contains("--data"), "{text}");
    let text = fail(program(&["bench", "digits", "--epochs", "0", "--out", out]));
    assert!(text.contains("--epochs"), "{text}");
    for minutes in ["-1", "NaN", "soon"] {
        let text = fail(program(&[
            "bench",
            "digits",
            &format!("--checkpoint-minutes={minutes}"),
            "--out",
            out,
        ]));
        assert!(text.contains("expected a number of minutes, 0 or more"), "{text}");
    }
}

fn one_cell(out: &Path, epochs: &str) -> std::process::Command {
    let out = out.to_str().expect("UTF-8");
    program(&[
        "bench", "digits", "--loss", "ce", "--seeds", "1", "--epochs", epochs, "--device", "cpu",
        "--out", out,
    ])
}

#[test]
fn results_and_checkpoints_of_another_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    run(one_cell(&out, "1"));
    let before = tensors(&out);

    let text = fail(one_cell(&out, "2"));
    assert!(
        text.contains("result.json: identity") && text.contains("\n  epochs: 2, was 1\n"),
        "{text}"
    );
    assert!(text.contains("--fresh") && !text.contains("batch_size"), "{text}");

    // Without its result the run is unfinished, and its checkpoint is of another training.
    let cell = out.join("digits/small-cnn/ce/seed-0");
    std::fs::remove_file(cell.join("result.json")).expect("a file");
    let text = fail(one_cell(&out, "2"));
    assert!(
        text.contains("last.safetensors: identity") && text.contains("\n  epochs: 2, was 1\n"),
        "{text}"
    );
    assert!(before == tensors(&out), "the checkpoint was touched");

    std::fs::write(cell.join("last.safetensors"), &before.values().next().expect("a file")[..100])
        .expect("a file");
    let text = fail(one_cell(&out, "1"));
    assert!(text.contains("last.safetensors") && text.contains("safetensors file"), "{text}");
}

#[test]
fn a_run_with_other_settings_is_restarted_and_the_old_one_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    run(one_cell(&out, "1"));
    let cell = out.join("digits/small-cnn/ce/seed-0");
    let first = std::fs::read(cell.join("best.safetensors")).expect("a file");
    let fresh = || {
        let mut command = one_cell(&out, "2");
        command.arg("--fresh");
        text(&run(command))
    };
    let said = fresh();
    assert!(
        said.contains("digits, small-cnn, ce, seed 0: restarted") && said.contains("seed-0.old-1"),
        "{said}"
    );
    assert!(said.contains("digits, small-cnn, ce, seed 0: epoch 2/2, Accuracy"), "{said}");
    assert!(
        std::fs::read(out.join("digits/small-cnn/ce/seed-0.old-1/best.safetensors"))
            .expect("a file")
            == first
    );
    // A run with the same settings is not restarted.
    let said = fresh();
    assert!(
        said.contains("digits, small-cnn, ce, seed 0: already finished") && !said.contains("epoch"),
        "{said}"
    );
    assert!(!out.join("digits/small-cnn/ce/seed-0.old-2").exists());
}

/// Also if a backtrace is requested, which candle's errors would contain.
#[test]
fn errors_end_in_their_causes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "name = 1").expect("a file");
    let of = |arguments: &[&str]| {
        let mut command = program(arguments);
        command.args(["--out", folder.path().to_str().expect("UTF-8")]).env("RUST_BACKTRACE", "1");
        fail(command)
    };
    for said in [
        of(&["bench", file.to_str().expect("UTF-8")]),
        of(&["bench", "digits", "--pretrained", "none.pth"]),
    ] {
        assert!(
            said.contains("\nCaused by:\n    ") && !said.to_lowercase().contains("backtrace"),
            "{said}"
        );
        assert!(!said.contains("   0: "), "{said}");
    }
}

#[test]
fn the_suites_are_listed_and_named_in_the_help() {
    let said = text(&run(program(&["bench", "--list", "--data", "nowhere"])));
    assert!(
        said.contains("digits: Handwritten digits") && said.contains("mnist/, not found"),
        "{said}"
    );
    let said = text(&run(program(&["bench", "--help"])));
    for name in ["digits-noisy", "vocfolder", "deeplabv3-r50", "bi-gru", "focal"] {
        assert!(said.contains(name), "{name} in {said}");
    }
}

/// Otherwise the runs of both would share a folder.
#[test]
fn a_changed_copy_of_a_suite_needs_another_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("copy.toml");
    let bench = |text: &str| {
        std::fs::write(&file, text).expect("a file");
        let [file, out] = [&file, folder.path()].map(|path| path.to_str().expect("UTF-8"));
        program(&[
            "bench", file, "--loss", "ce", "--seeds", "1", "--epochs", "1", "--device", "cpu",
            "--out", out,
        ])
    };
    let digits = include_str!("../../../suites/digits.toml");
    let changed = digits.replace("batch_size = 50", "batch_size = 25");
    let said = fail(bench(&changed));
    let parts =
        ["copy.toml", "name = \"digits\": the built-in suite of that name has different content"];
    assert!(
        parts.iter().all(|part| said.contains(part)) && said.contains("\"my-digits\""),
        "{said}"
    );
    run(bench(&changed.replace("name = \"digits\"", "name = \"my-digits\"")));
    // The same content is the same suite.
    run(bench(&format!("# A comment.\n{digits}")));
}

#[test]
fn a_missing_profile_is_not_replaced_silently() {
    let folder = tempfile::tempdir().expect("a folder");
    let [data, out] = ["data", "out"].map(|name| folder.path().join(name));
    let [data, out] = [&data, &out].map(|path| path.to_str().expect("UTF-8"));
    let said = fail(program(&["bench", "digits", "--profile", "local", "--out", out]));
    assert!(said.contains("--profile local: the suite digits has default"), "{said}");
    let said = fail(program(&["bench", "mnist", "--data", data, "--out", out]));
    assert!(said.contains("mnist: no --profile given, running its profile local"), "{said}");
    let all = [
        "--data", data, "--out", out, "--seeds", "1", "--epochs", "1", "--loss", "ce", "--device",
        "cpu",
    ];
    let said = text(&run(program(&[&["bench-all", "--profile", "correct"], &all[..]].concat())));
    for line in [
        "digits: has no profile correct, running its profile default",
        "mnist: skipped, it has no profile correct; it has local",
        "cub: skipped, the folder",
        "textfile: skipped, it is for user-supplied data",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
}

/// A limit on the size of files makes a write fail part-way, as a full disk does.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_while_a_checkpoint_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let limited = |epochs: &str, kilobytes: &str| {
        let inner = one_cell(&out, epochs);
        let mut shell = std::process::Command::new("bash");
        shell.args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"", "bash", kilobytes]);
        shell.arg(inner.get_program()).args(inner.get_args()).env_remove("MBLS_DATA_DIR");
        shell
    };
    run(limited("1", "unlimited"));
    let cell = out.join("digits/small-cnn/ce/seed-0");
    std::fs::remove_file(cell.join("result.json")).expect("a file");
    std::fs::remove_file(cell.join("last.safetensors")).expect("a file");
    let before = tensors(&out);

    let text = fail(limited("1", "16"));
    assert!(text.contains("safetensors.tmp") && text.contains("cannot write"), "{text}");
    assert!(before == tensors(&out), "an existing file has changed");
    assert!(
        !cell.join("best.safetensors.tmp").exists() && !cell.join("last.safetensors.tmp").exists()
    );
    // With enough space again, the run resumes.
    run(limited("1", "unlimited"));
}

/// An error is better than a result with a precision other than the one it states.
#[test]
fn precisions_that_the_device_does_not_have() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let out = out.to_str().expect("UTF-8");
    for precision in ["tf32", "bf16"] {
        let text = fail(program(&[
            "bench",
            "digits",
            "--out",
            out,
            "--device",
            "cpu",
            "--precision",
            precision,
        ]));
        let field = format!("recipe.precision = \"{precision}\"");
        assert!(
            text.contains(&field) && text.contains("\"f32\"") && text.contains("cpu"),
            "{text}"
        );
    }
    let text =
        fail(program(&["bench", "digits", "--out", out, "--device", "cpu", "--precision", "f16"]));
    assert!(text.contains("--precision") && text.contains("bf16"), "{text}");
}
