//! A data folder and a list of sources of its own, and the program run on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder that is removed in the end.
pub(crate) struct Sandbox(TempDir);

/// How a run ended and what it said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) is_right: bool,
    pub(crate) text: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With one data set `set` of the target `target`, and these lines in it and its only source.
    pub(crate) fn of(set: &str, source: &str) -> Self {
        let sandbox = Self::new();
        sandbox.manifest(set, source);
        sandbox
    }

    pub(crate) fn manifest(&self, set: &str, source: &str) {
        // Limits for those who do not care.
        let limits =
            if set.contains("max-bytes") { "" } else { "max-bytes = 1_000_000\nmax-entries = 100" };
        let text = format!(
            "[set]\ntitle = 'Some set'\nterms = 'some terms'\ntarget = 'target'\n{limits}\n{set}\n[[set.files]]\n{source}\n"
        );
        std::fs::write(self.path("manifest.toml"), text).unwrap();
    }

    /// A path in the folder of all.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A path in the data folder.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path("data").join(name)
    }

    /// A path among the program's own files of the data set.
    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.data(".fetch/set").join(name)
    }

    /// The program, not yet started, with short times.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mbls-fetch"));
        for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        command.env_remove("MBLS_DATA_DIR").args(["set", "--data"]).arg(self.path("data"));
        command.arg("--manifest").arg(self.path("manifest.toml"));
        if !arguments.contains(&"--timeout") {
            command.args(["--timeout", "5"]);
        }
        command.args(["--retry-delay", "0.001"]).args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments))
    }

    /// Runs and expects it to succeed.
    pub(crate) fn fetch(&self) -> String {
        let run = self.run(&[]);
        assert!(run.is_right, "{}", run.text);
        run.text
    }

    /// Runs and expects it to fail with a message, and without anything at the target or half
    /// unpacked.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str], expected: &str) -> String {
        let run = self.run(arguments);
        assert!(
            !run.is_right && run.text.contains(expected),
            "expected {expected}, found {}",
            run.text
        );
        assert!(!run.text.contains("panicked"), "{}", run.text);
        assert!(
            self.data("target").symlink_metadata().is_err(),
            "there is a target after {}",
            run.text
        );
        assert!(
            self.own("new").symlink_metadata().is_err(),
            "something is half unpacked after {}",
            run.text
        );
        run.text
    }

    /// The content of the target, a file.
    pub(crate) fn content(&self) -> Vec<u8> {
        std::fs::read(self.data("target")).unwrap()
    }
}

impl Run {
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        Self {
            is_right: output.status.success(),
            text: String::from_utf8_lossy(&text).into_owned(),
        }
    }
}

/// All files below a folder by their paths, with their contents.
pub(crate) fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Bytes that do not repeat soon and do not pack well.
pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..bytes).map(|_| next()).collect()
}
