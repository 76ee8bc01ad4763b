//! `cargo xtask fetch-data`, run as a program against a server on the loopback that misbehaves,
//! archives that do, and SIGKILL.

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

/// In hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A source that is one file, with its sum.
fn source(url: &str, body: &[u8]) -> String {
    format!("urls = ['{url}']\nkind = 'file'\nsize = {}\nsha256 = '{}'", body.len(), sha256(body))
}
