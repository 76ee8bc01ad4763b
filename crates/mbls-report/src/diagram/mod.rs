//! Reliability diagrams as standalone SVG files.

mod text;

use crate::base64::base64;
use crate::escape;
use crate::format::{ABSENT, coordinate, count, percent};
use crate::plot::legend::{self, Key};
use crate::plot::quantity::Quantity;
use crate::plot::reliability::Panel;
use crate::plot::theme::{self, Theme};
use crate::plot::{WIDTH, histogram, overlay, reliability};
use mbls_core::metric::{ConsistencyBand, Reliability};
use text::lines;

/// A model or a class in a diagram.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The name.
    pub title: String,
    /// The bins.
    pub reliability: Reliability,
    /// The range of accuracies of a calibrated model, drawn over the bins it was computed for.
    pub band: Option<ConsistencyBand>,
    /// Points of a smooth curve, confidence and accuracy, in ascending order of confidence; may be
    /// empty.
    pub smooth: Vec<(f64, f64)>,
}

impl Curve {
    /// The bins alone.
    pub fn new(title: impl Into<String>, reliability: Reliability) -> Self {
        Self { title: title.into(), reliability, band: None, smooth: Vec::new() }
    }

    pub(crate) fn panel(&self, quantity: Quantity, bins: bool) -> Panel<'_> {
        Panel {
            reliability: &self.reliability,
            quantity,
            bins,
            band: self.band.as_ref(),
            smooth: &self.smooth,
        }
    }

    /// Returns number of samples, ECE and MCE in one line.
    pub(crate) fn numbers(&self) -> String {
        let (ece, mce) = match self.reliability.n {
            0 => (ABSENT.to_string(), ABSENT.to_string()),
            _ => (percent(self.reliability.ece(), 2), percent(self.reliability.mce(), 1)),
        };
        format!("n {}, ECE {ece} %, MCE {mce} %", count(self.reliability.n))
    }
}

/// The arrangement of the curves of a diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// All curves in one plot. A single curve is drawn with bars, several with lines and markers.
    #[default]
    Overlaid,
    /// A plot with bars for each curve, in so many columns (at least 1).
    Grid {
        /// Number of columns.
        columns: usize,
    },
}

/// A font file that an SVG carries, so that its text looks the same everywhere. A program that
/// rasterises the SVG loads the same bytes into its own list of fonts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedFont {
    /// The family name in the file. Only letters, digits, spaces, `-` and `_` are used.
    pub family: String,
    /// The contents of the TrueType or OpenType file.
    pub bytes: Vec<u8>,
}

/// A reliability diagram as a file of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagram {
    /// The heading.
    pub title: String,
    /// The probabilities and events of the curves.
    pub quantity: Quantity,
    /// The models or classes.
    pub curves: Vec<Curve>,
    /// Their arrangement.
    pub layout: Layout,
    /// Whether the bins are drawn; otherwise only the smooth curves are.
    pub bins: bool,
    /// Whether a histogram stands below each plot.
    pub histogram: bool,
    /// The colours.
    pub theme: Theme,
    /// The font; without one, a list of common fonts.
    pub font: Option<EmbeddedFont>,
}

const MARGIN: f64 = 12.0;

impl Diagram {
    /// A diagram with bins and histogram in the light theme, all curves in one plot.
    pub fn new(title: impl Into<String>, curves: Vec<Curve>) -> Self {
        Self {
            title: title.into(),
            quantity: Quantity::TopLabel,
            curves,
            layout: Layout::Overlaid,
            bins: true,
            histogram: true,
            theme: Theme::Light,
            font: None,
        }
    }

    /// Draws the diagram as an SVG document.
    ///
    /// Colours and fonts are in a style sheet of classes without variables, which browsers, vector
    /// editors and resvg render alike. The size is two pixels per unit, one in a grid.
    pub fn svg(&self) -> String {
        let columns = match self.layout {
            Layout::Overlaid => 1,
            Layout::Grid { columns } => columns.clamp(1, self.curves.len().max(1)),
        };
        let width = columns as f64 * WIDTH;
        let mut y = MARGIN;
        let mut body = String::new();
        for line in lines(&self.title, (width - 2.0 * MARGIN) / 13.0, 3) {
            y += 14.0;
            body.push_str(&label("heading", (MARGIN, y), &line));
        }
        y += 6.0;
        match self.layout {
            Layout::Overlaid if self.curves.len() > 1 => self.overlaid(&mut body, &mut y),
            _ => self.panels(&mut body, &mut y, columns),
        }
        let height = y + MARGIN;
        let scale = if columns == 1 { 2.0 } else { 1.0 };
        let class = self.theme.class();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\n\
             <title>{}</title>\n<desc>{}</desc>\n<style>\n{}{}</style>\n{}\n\
             <rect class=\"background\" width=\"{w}\" height=\"{h}\"/>\n{body}</svg>\n",
            coordinate(width * scale),
            coordinate(height * scale),
            escape::html(&self.title),
            escape::html(&self.description()),
            self.font_rules(),
            theme::standalone_rules(self.theme),
            legend::PATTERNS.replace("\"pattern-", &format!("\"{class}-pattern-")),
            w = coordinate(width),
            h = coordinate(height),
        )
    }

    fn description(&self) -> String {
        let text = |curve: &Curve| {
            let panel = curve.panel(self.quantity, self.bins);
            format!("{}: {}", curve.title, reliability::description(&panel))
        };
        self.curves.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    fn font_rules(&self) -> String {
        let class = self.theme.class();
        let Some(font) = &self.font else {
            return format!(".{class} text {{ font-family: {}; }}\n", theme::FONT_STACK);
        };
        let plain = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let family: String = font.family.chars().filter(plain).collect();
        format!(
            "@font-face {{ font-family: \"{family}\"; src: url(data:font/sfnt;base64,{}); }}\n\
             .{class} text {{ font-family: \"{family}\", {}; }}\n",
            base64(&font.bytes),
            theme::FONT_STACK
        )
    }

    /// Draws one plot per curve, each with its name if there are several.
    fn panels(&self, body: &mut String, y: &mut f64, columns: usize) {
        let named = self.curves.len() > 1;
        let head = if named { 34.0 } else { 16.0 };
        let below = if self.histogram { histogram::HEIGHT + 4.0 } else { 0.0 };
        let height = head + reliability::HEIGHT + below;
        for (place, curve) in self.curves.iter().enumerate() {
            let (column, row) = (place % columns, place / columns);
            let top = *y + row as f64 * height;
            body.push_str(&group(column as f64 * WIDTH, top));
            if named {
                let name = lines(&curve.title, (WIDTH - 2.0 * MARGIN) / 11.0, 1).concat();
                body.push_str(&label("name", (MARGIN, 14.0), &name));
            }
            body.push_str(&label("small", (MARGIN, head - 6.0), &curve.numbers()));
            body.push_str(&group(0.0, head));
            body.push_str(&reliability::content(&curve.panel(self.quantity, self.bins)));
            body.push_str("</g>\n");
            if self.histogram {
                body.push_str(&group(0.0, head + reliability::HEIGHT + 4.0));
                body.push_str(&histogram::content(&curve.reliability, self.quantity));
                body.push_str("</g>\n");
            }
            body.push_str("</g>\n");
        }
        *y += self.curves.len().div_ceil(columns) as f64 * height + 6.0;
        let keys = keys(&self.curves, self.bins, self.histogram);
        let width = columns as f64 * WIDTH - LEGEND_LEFT;
        body.push_str(&legend::svg(&keys, self.quantity, (LEGEND_LEFT, *y), width));
        *y += legend::height(&keys, width);
    }

    fn overlaid(&self, body: &mut String, y: &mut f64) {
        let panels: Vec<Panel> =
            self.curves.iter().map(|curve| curve.panel(self.quantity, self.bins)).collect();
        body.push_str(&group(0.0, *y));
        body.push_str(&overlay::content(&panels, self.quantity));
        body.push_str("</g>\n");
        *y += overlay::HEIGHT + 4.0;
        if self.histogram {
            body.push_str(&group(0.0, *y));
            body.push_str(&overlay::histograms(&panels, self.quantity));
            body.push_str("</g>\n");
            *y += histogram::HEIGHT + 4.0;
        }
        for (place, curve) in self.curves.iter().enumerate() {
            body.push_str(&group(LEGEND_LEFT, *y));
            body.push_str(&overlay::sample(place));
            let name = lines(&curve.title, (WIDTH - LEGEND_LEFT - 42.0) / 11.0, 1).concat();
            body.push_str(&label("name", (36.0, 9.5), &name));
            body.push_str(&label("small", (36.0, 21.0), &curve.numbers()));
            body.push_str("</g>\n");
            *y += 29.0;
        }
        if self.curves.iter().any(|curve| curve.band.is_some()) {
            body.push_str(&label(
                "small",
                (LEGEND_LEFT, *y + 8.0),
                "Vertical lines: range if calibrated",
            ));
            *y += 14.0;
        }
    }
}

const LEGEND_LEFT: f64 = 40.0;

/// Returns the legend's entries for curves drawn with bars.
pub(crate) fn keys(curves: &[Curve], bins: bool, histogram: bool) -> Vec<Key> {
    let mut keys = if bins { Key::BINS.to_vec() } else { vec![Key::Diagonal] };
    if curves.iter().any(|curve| curve.band.is_some()) {
        keys.push(Key::Band);
    }
    if curves.iter().any(|curve| curve.smooth.len() > 1) {
        keys.push(Key::Smooth);
    }
    if histogram {
        keys.extend(Key::HISTOGRAM);
    }
    keys
}

fn group(x: f64, y: f64) -> String {
    format!("<g transform=\"translate({} {})\">\n", coordinate(x), coordinate(y))
}

fn label(class: &str, (x, y): (f64, f64), text: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>\n",
        coordinate(x),
        coordinate(y),
        escape::html(text)
    )
}
