//! What a user is told of an error.

use std::fmt::Write;

/// Returns an error with its causes, a line each, and without a backtrace: what went wrong is in
/// the words.
///
/// candle's errors print a backtrace after their words where `RUST_BACKTRACE` is set.
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
        // Writing to a text cannot fail.
        let _ = write!(text, "\n    {}", cause.replace('\n', "\n    "));
    }
    text
}

/// Cuts off the frames of a backtrace, of which the first is numbered 0.
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
    fn causes_stand_a_line_each_and_backtraces_nowhere() {
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
