//! Validation of entry names in archives, which are untrusted input.

use std::path::PathBuf;

/// Returns the path of a name relative to the destination; empty for the destination itself. `./`,
/// `//` and `/./` are ignored. `..` is rejected even if it stays inside, because no archiver writes
/// it.
///
/// # Errors
///
/// Returns what was expected: names that are not UTF-8, contain control characters or separators of
/// paths or drives on any system, are absolute, or contain `..` are rejected.
pub(crate) fn relative(name: &[u8]) -> Result<PathBuf, &'static str> {
    let Ok(name) = std::str::from_utf8(name) else { return Err("a name in UTF-8") };
    if name.is_empty() {
        return Err("a name");
    }
    if name.chars().any(char::is_control) {
        return Err("a name without control characters");
    }
    if name.contains(['\\', ':']) {
        return Err("a name without \\ and :");
    }
    if name.starts_with('/') {
        return Err("a relative path");
    }
    let mut path = PathBuf::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err("a path without .."),
            part if part.len() > 255 => return Err("a name of at most 255 bytes"),
            part => path.push(part),
        }
    }
    Ok(path)
}

/// Returns a name escaped for display.
pub(crate) fn shown(name: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(name).escape_debug().take(300).collect();
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below() {
        assert_eq!(relative(b"./a//b/").unwrap(), PathBuf::from("a/b"));
        assert_eq!(relative(b"././a/./b").unwrap(), PathBuf::from("a/b"));
        assert_eq!(relative(b"./").unwrap(), PathBuf::new());
        assert_eq!(relative(b"a/...b").unwrap(), PathBuf::from("a/...b"));
        for name in [
            &b""[..],
            b"/etc/passwd",
            b"a/../../b",
            b"..",
            b"a/..",
            b"a/x/../b",
            b"..\\b",
            b"C:b",
            b"a\0b",
            b"a\nb",
            b"\xff",
            &[b'a'; 256],
        ] {
            assert!(relative(name).is_err(), "{}", shown(name));
        }
    }
}
