//! The program as a process: standard input, streams and exit codes.

use std::io::Write;
use std::process::{Command, Stdio};

fn run(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mbls"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_table_on_standard_input() {
    let table = "prob_0,prob_1,label\n0.75,0.25,0\n0.25,0.75,0\n";
    let (code, out, messages) = run(&["eval", "-", "--no-intervals", "--format", "csv"], table);
    assert_eq!(code, Some(0), "{messages}");
    assert!(out.contains("-,,2,2,accuracy,0.5,"), "{out}");
    let check = ["eval", "-", "--no-intervals", "--fail-if", "accuracy<0.9"];
    assert_eq!(run(&check, table).0, Some(1));
    let (code, out, messages) = run(&["eval", "-"], "");
    assert_eq!((code, &*out, &*messages), (Some(2), "", "error: -: empty: 0 bytes\n"));
}
