//! The results do not depend on the number of threads.

use crate::support::{program, results, run, tensors};

#[test]
fn one_two_and_four_threads_give_identical_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcomes = ["1", "2", "4"].map(|threads| {
        let out = folder.path().join(threads);
        let place = out.to_str().expect("UTF-8");
        let mut command = program(&[
            "bench-all",
            "--seeds",
            "1",
            "--epochs",
            "2",
            "--device",
            "cpu",
            "--out",
            place,
        ]);
        command.env("RAYON_NUM_THREADS", threads);
        run(command);
        (results(&out), tensors(&out), std::fs::read(out.join("report.html")).expect("a report"))
    });
    // Two suites of seven losses, four files each.
    assert_eq!(outcomes[0].1.len(), 56);
    for other in &outcomes[1..] {
        assert_eq!(outcomes[0].0, other.0);
        assert!(outcomes[0].1 == other.1, "checkpoints or predictions differ");
        assert!(outcomes[0].2 == other.2, "reports differ");
    }
}
