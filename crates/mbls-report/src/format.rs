//! Formatting of numbers.

/// Printed for a number that is absent, NaN or infinite.
pub(crate) const ABSENT: &str = "–";

/// From this magnitude on, numbers are printed in scientific notation.
const LARGE: f64 = 1e6;

/// Formats a number with `digits` digits after the decimal point, in scientific notation from 10⁶
/// on; "–" if it is not finite.
pub(crate) fn number(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return ABSENT.to_string();
    }
    let text = if value.abs() < LARGE {
        format!("{value:.digits$}")
    } else {
        format!("{value:.digits$e}")
    };
    match text.strip_prefix('-') {
        // Drop the minus sign of a number that was rounded to 0.
        Some(size) if size.bytes().all(|byte| byte == b'0' || byte == b'.') => size.to_string(),
        Some(size) => format!("\u{2212}{size}"),
        None => text,
    }
}

/// Formats a number like [`number`], with a `+` before positive numbers.
pub(crate) fn signed(value: f64, digits: usize) -> String {
    let text = number(value, digits);
    let zero = text.bytes().all(|byte| byte == b'0' || byte == b'.');
    if value > 0.0 && value.is_finite() && !zero { format!("+{text}") } else { text }
}

/// Formats a fraction in percent, without the percent sign.
pub(crate) fn percent(fraction: f64, digits: usize) -> String {
    number(fraction * 100.0, digits)
}

/// Formats the level of an interval: `95 %`, `99.9 %`.
pub(crate) fn level(level: f64) -> String {
    let text = percent(level, 2);
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// Formats a count with thousands separators.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count stored as a float; "–" if it is negative or not finite.
pub(crate) fn whole(value: f64) -> String {
    if value.is_finite() && value >= 0.0 { count(value.round() as u64) } else { ABSENT.to_string() }
}

/// Formats a count with its noun: `1 seed`, `3 seeds`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Formats a coordinate of a drawing: at most two digits after the decimal point, without trailing
/// zeros.
pub(crate) fn coordinate(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(1.005, 1), "1.0");
        assert_eq!(number(-0.004, 2), "0.00");
        assert_eq!(number(-0.25, 2), "\u{2212}0.25");
        assert_eq!(number(12_345_678.0, 2), "1.23e7");
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!((number(value, 2), signed(value, 2)), ("–".to_string(), "–".to_string()));
        }
    }

    #[test]
    fn signs() {
        assert_eq!(signed(1.5, 2), "+1.50");
        assert_eq!(signed(-1.5, 2), "\u{2212}1.50");
        assert_eq!(signed(0.001, 2), "0.00");
        assert_eq!(signed(-0.001, 2), "0.00");
    }

    #[test]
    fn levels() {
        assert_eq!(level(0.95), "95 %");
        assert_eq!(level(0.999), "99.9 %");
        assert_eq!(level(1.0), "100 %");
        assert_eq!(level(f64::NAN), "– %");
    }

    #[test]
    fn counts() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(
            (counted(1, "seed"), counted(3, "seed")),
            ("1 seed".to_string(), "3 seeds".to_string())
        );
    }

    #[test]
    fn coordinates() {
        assert_eq!(coordinate(100.0), "100");
        assert_eq!(coordinate(12.346), "12.35");
        assert_eq!(coordinate(-0.001), "0");
    }
}
