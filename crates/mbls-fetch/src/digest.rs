//! Checksums of downloaded and unpacked files.

use anyhow::{Context, Result};
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// The size and checksums of some bytes, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) bytes: u64,
    /// Present if requested.
    pub(crate) md5: Option<String>,
    /// Always present.
    pub(crate) sha256: String,
}

/// Computes checksums of the bytes written to it.
pub(crate) struct Hasher {
    bytes: u64,
    md5: Option<Md5>,
    sha256: Sha256,
}

impl Hasher {
    /// Creates an empty hasher. MD5 is only computed on request, because only some sources need it.
    pub(crate) fn new(with_md5: bool) -> Self {
        Self { bytes: 0, md5: with_md5.then(Md5::new), sha256: Sha256::new() }
    }

    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.sha256.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// Returns the checksums of all added bytes.
    pub(crate) fn finish(self) -> Sums {
        Sums {
            bytes: self.bytes,
            md5: self.md5.map(|md5| hex(&md5.finalize())),
            sha256: hex(&self.sha256.finalize()),
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Computes the checksums of a file; `read` is called with the size of every chunk.
///
/// # Errors
///
/// If the file cannot be read.
pub(crate) fn of_file(path: &Path, with_md5: bool, mut read: impl FnMut(u64)) -> Result<Sums> {
    let error = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(error)?;
    let mut hasher = Hasher::new(with_md5);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut buffer).with_context(error)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..count]);
        read(count as u64);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Test vectors of FIPS 180-2 and RFC 1321.
    #[test]
    fn sums_are_those_of_the_standards() {
        let mut hasher = Hasher::new(true);
        hasher.update(b"a");
        hasher.update(b"bc");
        let sums = hasher.finish();
        assert_eq!(sums.bytes, 3);
        assert_eq!(sums.md5.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(sums.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
