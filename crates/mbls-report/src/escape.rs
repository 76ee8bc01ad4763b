//! Escaping of text for HTML and Markdown.

/// Escapes text for HTML content and for double- or single-quoted attributes. Characters that a
/// document must not contain become U+FFFD.
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            _ if character.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Escapes text for one line of Markdown, including table cells: nothing in it is interpreted as
/// markup, and line breaks become spaces.
pub(crate) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '~' | '#' | '$' => {
                escaped.extend(['\\', character]);
            }
            _ if character.is_control() => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn html() {
        assert_eq!(
            super::html("<b a='1' b=\"2\">&\0\r\n"),
            "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;\u{fffd}\u{fffd}\n"
        );
        assert_eq!(super::html("Brier – ± π"), "Brier – ± π");
    }

    #[test]
    fn markdown() {
        assert_eq!(
            super::markdown("a|b\nc_d*e [f](g) <h> \\"),
            "a\\|b c\\_d\\*e \\[f\\](g) &lt;h&gt; \\\\"
        );
    }
}
