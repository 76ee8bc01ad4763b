//! Fingerprints that identify the content of data sets and files.

/// A 64-bit FNV-1a hash, identical in every build and on every machine.
///
/// It identifies content; it does not protect against deliberate collisions.
///
/// ```
/// use mbls_io::Fingerprint;
///
/// // A test vector published by the authors of the hash.
/// assert_eq!(Fingerprint::of(b"a").value(), 0xaf63_dc4c_8601_ec8c);
/// assert_eq!(Fingerprint::default().with(b"foo").with(b"bar"), Fingerprint::of(b"foobar"));
/// ```
///
/// # References
///
/// Fowler, Noll, Vo: FNV-1a.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    /// Returns the fingerprint of zero bytes.
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Returns the fingerprint of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::default().with(bytes)
    }

    /// Returns the fingerprint of the previous content followed by `bytes`.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |hash, &byte| hash.with_byte(byte))
    }

    /// Returns the fingerprint of the previous content followed by the components of a relative
    /// path, each followed by a `/`, so it is the same on every system.
    #[must_use]
    pub fn with_path(self, path: &std::path::Path) -> Self {
        let component = |hash: Self, part: std::path::Component<'_>| {
            hash.with(part.as_os_str().to_string_lossy().as_bytes()).with(b"/")
        };
        path.components().fold(self, component)
    }

    /// Returns the 64 bits.
    pub fn value(self) -> u64 {
        self.0
    }

    fn with_byte(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() {
        for (text, value) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(Fingerprint::of(text.as_bytes()).value(), value, "{text:?}");
        }
    }

    #[test]
    fn a_path_counts_by_its_components() {
        let of = |path: &str| Fingerprint::default().with_path(path.as_ref());
        assert_eq!(of("a/b"), Fingerprint::of(b"a/b/"));
        assert_ne!(of("a/b"), of("ab"));
    }
}
