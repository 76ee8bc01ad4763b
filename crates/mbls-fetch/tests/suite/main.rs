//! Tests of `cargo xtask fetch-data` as a program, with a misbehaving server on the loopback
//! interface, malicious archives, and SIGKILL.

mod archives;
mod downloads;
mod killed;
mod redirects;
mod runs;
mod sandbox;
mod server;
mod tls;
mod trust;
mod zip_archives;

use sha2::{Digest, Sha256};

/// Returns the SHA-256 checksum in hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a source of one file with its checksum.
fn source(url: &str, body: &[u8]) -> String {
    format!("urls = ['{url}']\nkind = 'file'\nsize = {}\nsha256 = '{}'", body.len(), sha256(body))
}
