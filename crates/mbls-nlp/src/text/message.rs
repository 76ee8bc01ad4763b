//! Newsgroup messages: latin-1 texts with a header.

/// Decodes latin-1 bytes and converts all line ends to line feeds, like Python's `open(file,
/// encoding="latin-1")`.
///
/// ```
/// use mbls_nlp::text::message::from_latin1;
///
/// assert_eq!(from_latin1(b"caf\xe9\r\nbar\rend\n"), "café\nbar\nend\n");
/// ```
pub fn from_latin1(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\r' || !byte.is_ascii()) {
        push_ascii(&mut text, &rest[..end]);
        match &rest[end..] {
            [b'\r', b'\n', ..] => {
                text.push('\n');
                rest = &rest[end + 2..];
                continue;
            }
            [b'\r', ..] => text.push('\n'),
            [byte, ..] => text.push(char::from(*byte)),
            [] => {}
        }
        rest = &rest[end + 1..];
    }
    push_ascii(&mut text, rest);
    text
}

fn push_ascii(text: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(ascii) => text.push_str(ascii),
        Err(_) => text.extend(bytes.iter().map(|&byte| char::from(byte))),
    }
}

/// Returns a message from its first blank line on, including it. A message without a blank line, or
/// that starts with one, is returned unchanged.
///
/// # References
///
/// by-liu/MbLS, `calibrate/data/newsgroup.py`: `i = t.find("\n\n"); t[i:] if 0 < i else t`.
///
/// ```
/// use mbls_nlp::text::message::without_header;
///
/// assert_eq!(without_header("From: a\nSubject: b\n\nHello\n\nbye"), "\n\nHello\n\nbye");
/// assert_eq!(without_header("\n\nHello\n\nbye"), "\n\nHello\n\nbye");
/// assert_eq!(without_header("Hello"), "Hello");
/// ```
pub fn without_header(text: &str) -> &str {
    text.find("\n\n").map_or(text, |blank| &text[blank..])
}
