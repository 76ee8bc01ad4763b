//! Rules for how saved tensors must fit the variables of a network.

use crate::{Error, Result, wrapper};
use candle_core::{Shape, Tensor};
use std::collections::BTreeMap;
use std::fmt;

/// The counter that PyTorch saves with the running statistics of every batch norm. Only a batch
/// norm without a momentum uses it.
const UNUSED: &str = "num_batches_tracked";

/// The maximum number of names that a message lists per kind.
const LISTED: usize = 16;

/// The strictness with which a checkpoint must fit a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit<'a> {
    /// Both have the same names with the same shapes.
    Strict,
    /// Same as [`Strict`](Self::Strict), except for the named parts of the network: `"fc"` means
    /// `fc` and `fc.weight`, not `fc2.weight`.
    ///
    /// In these parts, tensors may be missing, unexpected or of another shape, as when a classifier
    /// is replaced. Tensors that fit are loaded there too.
    Except(&'a [&'a str]),
    /// Loads the tensors that fit; at least one must.
    Lenient,
}

/// A report of which tensors of a checkpoint fit a network, by name and sorted.
///
/// PyTorch's counters `num_batches_tracked` do not count as unexpected if the network does not use
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// The prefix removed from the checkpoint's names, such as `module.`; empty if none was
    /// removed. The names below do not include it.
    pub prefix: String,
    /// Tensors with the same name and shape.
    pub loaded: Vec<String>,
    /// Tensors that only the network has; they keep their values.
    pub missing: Vec<String>,
    /// Tensors that only the checkpoint has. They include the counters of an average, such as
    /// PyTorch's `n_averaged`, which are never an error.
    pub unexpected: Vec<String>,
    /// Tensors with another shape; the network's tensors keep their values.
    pub mis_shaped: Vec<MisShaped>,
}

/// A tensor whose shape differs from that of the variable with the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MisShaped {
    /// The name in the checkpoint and the network.
    pub name: String,
    /// The shape in the checkpoint.
    pub found: Shape,
    /// The shape in the network.
    pub expected: Shape,
}

impl Fit<'_> {
    /// Compares saved tensors with the expected ones and fails if they do not fit well enough.
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

    /// Returns whether a tensor with this name must fit.
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

/// Returns whether a saved tensor is the counter of a wrapper.
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

    /// Returns whether checkpoint and network have the same names with the same shapes.
    pub fn fits(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mis_shaped.is_empty()
    }
}

/// Shows the number of loaded tensors and the removed prefix, then the names of the tensors that
/// were not loaded.
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
