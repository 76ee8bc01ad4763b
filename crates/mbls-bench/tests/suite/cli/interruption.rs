//! A run that is killed at any moment and restarted gives the same result as an uninterrupted run.

use crate::support::{program, results, run, tensors};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

fn command(out: &Path) -> std::process::Command {
    let out = out.to_str().expect("UTF-8");
    program(&[
        "bench",
        "digits-noisy",
        "--loss",
        "ce",
        "--loss",
        "mbls",
        "--loss",
        "cals",
        "--seeds",
        "1",
        "--epochs",
        "6",
        "--device",
        "cpu",
        "--out",
        out,
    ])
}

#[test]
fn killed_five_times_ends_with_the_same_bytes() {
    killed_ends_with_the_same_bytes(command);
}

/// Dropout masks depend on the number of earlier passes, partners of mixed images on the epoch, and
/// a step on several batches.
#[test]
fn killed_five_times_with_dropout_mixed_images_and_gradient_accumulation() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = include_str!("../../../suites/digits-noisy.toml");
    let changed = "dropout = 0.3\nmix = { kind = \"mixup\", alpha = 0.4 }\naccumulate = 3\nclass_weights = \"balanced\"\n\
                   early_stopping = { metric = \"nll\", patience = 2 }";
    let text = text.replace("bins = 15", &format!("bins = 15\n{changed}"));
    let text = text.replace("name = \"digits-noisy\"", "name = \"mixed\"");
    let path = folder.path().join("mixed.toml");
    std::fs::write(&path, text).expect("a file");
    killed_ends_with_the_same_bytes(|out| {
        let mut changed = program(&[]);
        let arguments = command(out);
        let arguments = arguments.get_args().map(|argument| match argument.to_str() {
            Some("digits-noisy") => path.as_os_str(),
            _ => argument,
        });
        changed.args(arguments);
        changed
    });
}

fn killed_ends_with_the_same_bytes(command: impl Fn(&Path) -> std::process::Command) {
    let folder = tempfile::tempdir().expect("a folder");
    let [undisturbed, killed] = ["undisturbed", "killed"].map(|name| folder.path().join(name));
    let started = Instant::now();
    run(command(&undisturbed));
    let whole = started.elapsed();

    // Each process does a part of the remaining work, so waiting for a fixed share of the whole
    // time keeps all five kills within the run.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    let seed = now.as_nanos() as u64;
    println!("moments from seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut interrupted = 0;
    // Write several checkpoints within an epoch.
    let killable = || {
        let mut command = command(&killed);
        command.args(["--checkpoint-minutes", "0.001"]);
        command
    };
    for _ in 0..5 {
        let mut process = killable()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let moment = whole.mul_f64(0.05 + 0.3 * f64::from(random.next_u32()) / f64::from(u32::MAX));
        std::thread::sleep(moment.max(Duration::from_millis(1)));
        // SIGKILL: no handler, no destructor.
        process.kill().expect("the process is ours");
        interrupted += usize::from(!process.wait().expect("the process is ours").success());
    }
    assert!(interrupted >= 1, "every process finished before it could be killed");
    run(killable());

    assert_eq!(results(&undisturbed), results(&killed));
    assert!(tensors(&undisturbed) == tensors(&killed), "checkpoints or predictions differ");
    // Last and best checkpoint, predictions and network of three runs.
    assert_eq!(tensors(&killed).len(), 12);
}

#[test]
fn finished_runs_are_skipped() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    run(command(&out));
    let file = out.join("digits-noisy/small-cnn/ce/seed-0/last.safetensors");
    let modified =
        || std::fs::metadata(&file).and_then(|metadata| metadata.modified()).expect("a time");
    let (before, first) = (modified(), std::fs::read(out.join("results.json")).expect("results"));
    run(command(&out));
    assert_eq!(before, modified());
    assert_eq!(first, std::fs::read(out.join("results.json")).expect("results"));
}
