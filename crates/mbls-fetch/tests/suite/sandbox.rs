//! A data folder with its own list of sources, and the program run on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder that is removed at the end.
pub(crate) struct Sandbox(TempDir);

/// The exit status and output of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) is_right: bool,
    pub(crate) text: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Creates a sandbox with one data set `set` with the target `target`; `set` and `source` are
    /// the lines of it and of its only source.
    pub(crate) fn of(set: &str, source: &str) -> Self {
        let sandbox = Self::new();
        sandbox.manifest(set, source);
        sandbox
    }

    pub(crate) fn manifest(&self, set: &str, source: &str) {
        // Default limits.
        let limits =
            if set.contains("max-bytes") { "" } else { "max-bytes = 1_000_000\nmax-entries = 100" };
        let text = format!(
            "[set]\ntitle = 'Some set'\nterms = 'some terms'\ntarget = 'target'\n{limits}\n{set}\n[[set.files]]\n{source}\n"
        );
        std::fs::write(self.path("manifest.toml"), text).unwrap();
    }

    /// Returns a path in the sandbox folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns a path in the data folder.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path("data").join(name)
    }

    /// Returns a path among the program's own files of the data set.
    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.data(".fetch/set").join(name)
    }

    /// Returns the command, not yet started, with short delays.
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

    /// Runs the program and expects success.
    pub(crate) fn fetch(&self) -> String {
        let run = self.run(&[]);
        assert!(run.is_right, "{}", run.text);
        run.text
    }

    /// Runs the program, expects a failure with the given message, and checks that there is neither
    /// a target nor a partially unpacked folder.
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

    /// Returns the content of the target file.
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

/// Returns the paths and contents of all files below a folder.
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

/// Returns pseudorandom bytes, which do not compress well.
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
