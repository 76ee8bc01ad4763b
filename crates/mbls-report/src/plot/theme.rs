//! Colours of the pages and diagrams, and the style sheet of the diagrams.

/// The colours of a diagram: dark on light, or light on dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white.
    #[default]
    Light,
    /// Light on near-black.
    Dark,
}

impl Theme {
    fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Returns the class of a standalone diagram, which all its rules require. A diagram placed in
    /// another document does not change the looks of that document.
    pub(crate) fn class(self) -> String {
        format!("mbls-{}", self.name())
    }
}

/// Names and colours of the light and the dark theme. Each series of a diagram also has its own
/// marker and dashes, because colours alone are not enough; the light ones are those of Okabe and
/// Ito (Color Universal Design, 2008) in an order of decreasing contrast.
const COLOURS: [(&str, &str, &str); 26] = [
    ("paper", "#ffffff", "#14171b"),
    ("panel", "#f6f7f9", "#1c2026"),
    ("ink", "#1c2127", "#e6e9ed"),
    ("soft", "#5a6470", "#a0aab5"),
    ("rule", "#d5dae0", "#363d46"),
    ("grid", "#e3e7eb", "#2a3038"),
    ("bar", "#8fa3b8", "#5d7389"),
    ("level", "#33475b", "#c9d6e2"),
    ("over", "#c94f00", "#ff9a52"),
    ("over-ground", "#fde3d0", "#4b2a12"),
    ("under", "#0062a3", "#6cc0ff"),
    ("under-ground", "#cfe6f7", "#12344f"),
    ("hurt", "#a8321c", "#ff9f8a"),
    ("hurt-ground", "#fdeae5", "#43201a"),
    ("helped", "#0b6b47", "#6fdcae"),
    ("helped-ground", "#e2f4ec", "#143529"),
    ("best", "#eef3d8", "#343a1c"),
    ("smooth", "#1c2127", "#f4f6f8"),
    ("series-0", "#0072b2", "#6cc0ff"),
    ("series-1", "#d55e00", "#ff9a52"),
    ("series-2", "#009e73", "#4fd6a8"),
    ("series-3", "#b0508a", "#e79fc9"),
    ("series-4", "#1c2127", "#e6e9ed"),
    ("series-5", "#b07d00", "#f0e442"),
    ("focus", "#0062a3", "#6cc0ff"),
    ("button", "#ffffff", "#262c33"),
];

const RULES: &str = include_str!("plot.css");

/// Fonts that most systems have, without quotes, which an attribute would have to escape.
pub(crate) const FONT_STACK: &str =
    "system-ui, Segoe UI, Roboto, Helvetica Neue, Arial, Liberation Sans, DejaVu Sans, sans-serif";

/// Returns the style sheet of a page: colours by the reader's preference, and the rules of the
/// diagrams.
pub(crate) fn page_rules() -> String {
    let block = |indent: &str, colour: fn(&(&str, &'static str, &'static str)) -> &'static str| {
        let colours: String =
            COLOURS.iter().map(|entry| format!(" --{}: {};", entry.0, colour(entry))).collect();
        format!("{indent}:root {{{colours} }}\n")
    };
    let mut css = block("", |entry| entry.1);
    css.push_str("@media screen and (prefers-color-scheme: dark) {\n");
    css.push_str(&block("  ", |entry| entry.2));
    css.push_str("}\n");
    css.push_str(&scoped("svg"));
    css
}

/// Returns the style sheet of a standalone diagram, without variables.
pub(crate) fn standalone_rules(theme: Theme) -> String {
    let mut css = scoped(&format!(".{}", theme.class()));
    for (name, light, dark) in COLOURS {
        let colour = if theme == Theme::Light { light } else { dark };
        css = css.replace(&format!("var(--{name})"), colour);
    }
    // No browser's renderer knows this property in SVG but as CSS; resvg does not know it.
    css.replace(" font-variant-numeric: tabular-nums;", "")
        .replace("#pattern-", &format!("#{}-pattern-", theme.class()))
}

/// Returns the rules, restricted to the descendants of a selector.
fn scoped(ancestor: &str) -> String {
    RULES.lines().map(|rule| format!("{ancestor} {rule}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_has_a_colour() {
        for theme in [Theme::Light, Theme::Dark] {
            let css = standalone_rules(theme);
            assert!(!css.contains("var(") && !css.contains("--"), "{css}");
        }
        for (at, _) in RULES.match_indices("var(--") {
            let name = RULES[at + 6..].split(')').next().unwrap();
            assert!(COLOURS.iter().any(|colour| colour.0 == name), "{name}");
        }
    }

    #[test]
    fn each_line_is_one_rule_with_one_selector() {
        for rule in RULES.lines() {
            let (selector, body) = rule.split_once(" { ").expect("a rule");
            assert!(!selector.contains([',', ' ']) && body.ends_with("; }"), "{rule}");
        }
    }
}
