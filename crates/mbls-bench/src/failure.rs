//! Formatting of errors for the user.

use std::fmt::Write;

/// Formats an error with its causes, one per line, and without a backtrace.
///
/// candle's errors include a backtrace in their message if `RUST_BACKTRACE` is set.
pub fn explain(error: &anyhow::Error) -> String {
    let mut text = format!("Error: {}", without_backtrace(&error.to_string()));
    let mut causes = error
        .chain()
        .skip(1)
        .map(|cause| without_backtrace(&cause.to_string()).to_owned())
        .peekable();
    if causes.peek().is_some() {
        text += "\n\nCaused by:";
    }
    for cause in causes {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n    {}", cause.replace('\n', "\n    "));
    }
    text
}

/// Removes the frames of a backtrace; the first frame has the number 0.
fn without_backtrace(text: &str) -> &str {
    let frames = text.match_indices('\n').find(|(place, _)| {
        let line = &text[place + 1..];
        line.starts_with(' ') && line.trim_start().starts_with("0: ")
    });
    frames.map_or(text, |(place, _)| &text[..place]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_a_line_each_and_backtraces_are_removed() {
        let error = anyhow::anyhow!(
            "shapes differ\n   0: candle::matmul\n             at matmul.rs:7\n   1: main"
        )
        .context("a: two lines\n  0 epochs")
        .context("in the suite file x.toml");
        let expected = "Error: in the suite file x.toml\n\nCaused by:\n    a: two lines\n      0 epochs\n    shapes differ";
        assert_eq!(explain(&error), expected);
        assert_eq!(explain(&anyhow::anyhow!("one")), "Error: one");
    }
}
