//! How saved tensors fit the variables of a network, and how well they have to.

use crate::{Error, Result, wrapper};
use candle_core::{Shape, Tensor};
use std::collections::BTreeMap;
use std::fmt;

/// What PyTorch saves of every batch norm beside its running statistics; only one without a
/// momentum has use for it.
const UNUSED: &str = "num_batches_tracked";

/// The most names that a message lists of each kind.
const LISTED: usize = 16;

/// How well a checkpoint has to fit a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit<'a> {
    /// Both have the same names with the same shapes.
    Strict,
    /// As [`Strict`](Self::Strict), but for the named parts of the network: `"fc"` means `fc` and
    /// `fc.weight`, not `fc2.weight`.
    ///
    /// Of these parts tensors may be missing, unexpected or of another shape, as those of a
    /// classifier that is replaced. What fits is loaded there too.
    Except(&'a [&'a str]),
    /// What fits is loaded; at least one tensor has to.
    Lenient,
}

/// Which tensors of a checkpoint fit a network, by name and sorted.
///
/// The counters `num_batches_tracked` that PyTorch saves are not unexpected where the network has
/// no use for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// What was taken off the checkpoint's names, such as `module.`; empty where nothing was. The
    /// names below are without it.
    pub prefix: String,
    /// Those of the same shape.
    pub loaded: Vec<String>,
    /// Those that only the network has; they keep their values.
    pub missing: Vec<String>,
    /// Those that only the checkpoint has. The counts of an average, such as PyTorch's
    /// `n_averaged`, are among them, but are not refused however well the rest has to fit.
    pub unexpected: Vec<String>,
    /// Those of another shape; the network's keep their values.
    pub mis_shaped: Vec<MisShaped>,
}

/// A tensor whose shape is not that of the variable of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MisShaped {
    /// The name of both.
    pub name: String,
    /// The shape in the checkpoint.
    pub found: Shape,
    /// The shape in the network.
    pub expected: Shape,
}

impl Fit<'_> {
    /// Compares saved tensors with what is expected, which fails where they do not fit well enough.
    pub(crate) fn compare<'a>(
        self,
        what: &str,
        expected: impl Iterator<Item = (&'a str, &'a Shape)>,
        found: &BTreeMap<String, Tensor>,
    ) -> Result<LoadReport> {
        let report = LoadReport::new(&expected.collect(), found);
        let mut refused = report.clone();
        refused.missing.retain(|name| self.refuses(name));
        refused.unexpected.retain(|name| self.refuses(name) && !is_count(name, found));
        refused.mis_shaped.retain(|tensor| self.refuses(&tensor.name));
        if !refused.fits() {
            return Err(Error::State { what: what.to_owned(), report: Box::new(refused) });
        }
        if report.loaded.is_empty() && !report.fits() {
            return Err(Error::State { what: what.to_owned(), report: Box::new(report) });
        }
        Ok(report)
    }

    /// Whether a tensor of this name has to fit.
    fn refuses(self, name: &str) -> bool {
        let within = |part: &&str| {
            let rest = name.strip_prefix(part.trim_end_matches('.'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        match self {
            Self::Strict => true,
            Self::Except(parts) => !parts.iter().any(within),
            Self::Lenient => false,
        }
    }
}

/// Whether a saved tensor is the count of a wrapper.
fn is_count(name: &str, found: &BTreeMap<String, Tensor>) -> bool {
    wrapper::is_bookkeeping(name) && found.get(name).is_some_and(|tensor| tensor.elem_count() == 1)
}

impl LoadReport {
    fn new(expected: &BTreeMap<&str, &Shape>, found: &BTreeMap<String, Tensor>) -> Self {
        let mut report = Self::default();
        for (&name, &shape) in expected {
            match found.get(name) {
                None => report.missing.push(name.to_owned()),
                Some(tensor) if tensor.shape() != shape => report.mis_shaped.push(MisShaped {
                    name: name.to_owned(),
                    found: tensor.shape().clone(),
                    expected: shape.clone(),
                }),
                Some(_) => report.loaded.push(name.to_owned()),
            }
        }
        let unexpected = |name: &&String| {
            !expected.contains_key(name.as_str()) && name.rsplit('.').next() != Some(UNUSED)
        };
        report.unexpected = found.keys().filter(unexpected).cloned().collect();
        report
    }

    /// Whether checkpoint and network have the same names with the same shapes.
    pub fn fits(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mis_shaped.is_empty()
    }
}

/// How many were loaded, without which prefix, then the names of those that were not.
impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} loaded", self.loaded.len())?;
        if !self.prefix.is_empty() {
            write!(f, ", without the prefix {:?} of the names", self.prefix)?;
        }
        list(f, "missing", &self.missing)?;
        list(f, "unexpected", &self.unexpected)?;
        list(f, "of another shape", &self.mis_shaped)
    }
}

impl fmt::Display for MisShaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: shape {:?}, expected {:?}", self.name, self.found, self.expected)
    }
}

fn list(f: &mut fmt::Formatter<'_>, kind: &str, entries: &[impl fmt::Display]) -> fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = entries.iter().take(LISTED).map(ToString::to_string).collect();
    write!(f, ", {} {kind} [{}", entries.len(), shown.join(", "))?;
    if entries.len() > LISTED {
        write!(f, ", and {} more", entries.len() - LISTED)?;
    }
    f.write_str("]")
}
