//! Lines of text in a drawing, which does not break or cut them by itself.

/// Breaks text into at most `most` lines of a width in units of the font size. What does not fit is
/// replaced by "…". Widths are estimates: the font is unknown.
pub(super) fn lines(text: &str, width: f64, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last().map_or("", String::as_str);
        if last.is_empty() || measure(last) + measure(word) + 0.3 <= width {
            let last = lines.len() - 1;
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        } else if lines.len() < most {
            lines.push(word.to_owned());
        } else {
            let last = lines.len() - 1;
            lines[last].push_str(" …");
            break;
        }
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

fn cut(line: &str, width: f64) -> String {
    if measure(line) <= width {
        return line.to_owned();
    }
    let mut short = String::new();
    let mut used = 1.0;
    for character in line.chars() {
        used += advance(character);
        if used > width {
            break;
        }
        short.push(character);
    }
    short + "…"
}

fn measure(text: &str) -> f64 {
    text.chars().map(advance).sum()
}

fn advance(character: char) -> f64 {
    match character {
        'i' | 'j' | 'l' | '.' | ',' | ' ' => 0.3,
        'm' | 'w' | 'M' | 'W' | '@' => 0.9,
        'A'..='Z' => 0.7,
        '\0'..='\u{10ff}' => 0.58,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn breaks_and_cuts() {
        assert_eq!(lines("one two", 10.0, 2), ["one two"]);
        assert_eq!(lines("one two", 2.5, 2), ["one", "two"]);
        assert_eq!(lines("one two three", 2.5, 2), ["one", "tw…"]);
        assert_eq!(lines(&"x".repeat(99), 3.0, 1), ["xxx…"]);
        assert_eq!(lines("", 3.0, 1), [""]);
    }
}
