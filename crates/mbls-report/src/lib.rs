//! The report of a benchmark: tables with intervals, reliability diagrams and confidence
//! histograms, as one self-contained HTML page ([`html`]) and as a Markdown table ([`markdown`]);
//! the page for the evaluation of prediction files ([`evaluation_html`]); reliability diagrams as
//! SVG files ([`Diagram`]).
//!
//! Everything is text in memory: no file is read or written, nothing depends on the clock, and the
//! same [`Report`] always renders to the same bytes. The pages have no external references. The page of a
//! benchmark has no scripts; that of an evaluation works without its script.
//!
//! A number that is absent, NaN or infinite is printed as "–", never as 0.
//!
//! ```
//! use mbls_core::bootstrap::Interval;
//! use mbls_core::metric::{Metric, Predictions, ReliabilityBins};
//! use mbls_report::{Column, Direction, LossReport, Report, SuiteReport, Summary, Unit};
//!
//! let mut bins = ReliabilityBins::new(10)?;
//! bins.update(&Predictions::from_probs(&[0.75, 0.25, 0.25, 0.75], 2, &[0, 0])?)?;
//! let reliability = bins.value().expect("two rows were added");
//! let ece = Summary {
//!     mean: reliability.ece(),
//!     std: None,
//!     interval: Some(Interval { low: 0.25, high: 0.75, level: 0.95 }),
//! };
//! let loss = LossReport {
//!     id: "ce".into(),
//!     title: "Cross-entropy".into(),
//!     settings: String::new(),
//!     metrics: [("ece".to_string(), ece)].into(),
//!     before: reliability.clone(),
//!     after: reliability,
//! };
//! let column = Column {
//!     key: "ece",
//!     title: "ECE",
//!     meaning: "Expected calibration error.",
//!     unit: Unit::Percent,
//!     digits: 2,
//!     better: Direction::Lower,
//!     compact: true,
//! };
//! let suite = SuiteReport {
//!     name: "coin".into(),
//!     title: "Two rows".into(),
//!     description: "The smallest possible suite.".into(),
//!     notes: vec![],
//!     model: "none".into(),
//!     n_test: 2,
//!     seeds: 1,
//!     columns: vec![column],
//!     best: Default::default(),
//!     losses: vec![loss],
//!     further: vec![],
//!     galleries: vec![],
//! };
//! assert!(mbls_report::markdown(&suite).contains("| Cross-entropy | 25.00 [25.00, 75.00] |"));
//! let report = Report { title: "A report".into(), provenance: vec![], suites: vec![suite] };
//! assert!(mbls_report::html(&report).starts_with("<!DOCTYPE html>"));
//! # Ok::<(), mbls_core::Error>(())
//! ```

mod base64;
mod column;
mod diagram;
mod escape;
mod evaluation;
mod findings;
mod format;
mod further;
mod gallery;
mod markdown;
mod page;
mod plot;
mod report;
mod table;

pub use column::{Column, Direction, Unit};
pub use diagram::{Curve, Diagram, EmbeddedFont, Layout};
pub use evaluation::{EvaluationPage, MetricRow, ModelPage, evaluation_html};
pub use findings::findings;
pub use further::{FurtherTable, NumberColumn};
pub use gallery::{EmbeddedImage, Gallery, GalleryRow, ImageFormat};
pub use markdown::markdown;
pub use page::html;
pub use plot::quantity::Quantity;
pub use plot::theme::Theme;
pub use report::{LossReport, Report, SuiteReport, Summary};

// The code of the README compiles as a reader would paste it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
