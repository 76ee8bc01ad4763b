use super::SegmentationMetrics;
use super::accumulator::State;
use mbls_core::metric::{ClasswiseConvention, Metric, ReliabilityBins, SegmentationProtocol};
use mbls_core::{Error, Result};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

const METRIC: &str = "segmentation-metrics";
const VERSION: u32 = 1;

/// The state as it is saved, with what tells it from those of other metrics: `{"metric": .., "version": 1, "state": {..}}`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    #[serde(deserialize_with = "metric")]
    metric: String,
    #[serde(deserialize_with = "version")]
    version: u32,
    state: State,
}

fn metric<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name == METRIC { Ok(name) } else { Err(D::Error::custom(format_args!("metric {name:?}: expected {METRIC:?}"))) }
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    if version == VERSION {
        return Ok(version);
    }
    Err(D::Error::custom(format_args!("version {version} of {METRIC}: expected {VERSION}")))
}

impl From<SegmentationMetrics> for Saved {
    fn from(metrics: SegmentationMetrics) -> Self {
        Self { metric: METRIC.into(), version: VERSION, state: metrics.state }
    }
}

fn invalid(problem: String) -> Error {
    Error::State { metric: METRIC, problem }
}

/// An error where two things of a state that must agree do not.
fn agree<T: PartialEq + std::fmt::Debug>(what: &str, left: T, right: T) -> Result<()> {
    if left == right { Ok(()) } else { Err(invalid(format!("{what}: {left:?} and {right:?}"))) }
}

/// Every part has checked itself when it was read; here they are held against each other.
impl TryFrom<Saved> for SegmentationMetrics {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let state = saved.state;
        // Refuses the settings, and says what sizes they lead to.
        let empty = Self::new(state.classes, state.settings.clone())?.state;
        let (parts, bins, n) = (&state.parts, state.settings.bins, state.parts.nll.n());
        agree("bands of the settings and matrices", empty.parts.confusion.len(), parts.confusion.len())?;
        agree("groups", empty.parts.reliability.groups(), parts.reliability.groups())?;
        agree("bins", bins, parts.reliability.bins())?;
        agree("classwise errors", state.settings.classwise, parts.classwise.is_some())?;
        if let Some(classwise) = &parts.classwise {
            agree("bins of a class", bins, classwise.bins())?;
            agree("convention", ClasswiseConvention::Default, classwise.convention())?;
            agree("classes", classwise.classes().unwrap_or(state.classes), state.classes)?;
            agree("pixels of the classes", n, classwise.n())?;
        }
        for (band, confusion) in parts.confusion.iter().enumerate() {
            agree("classes of a band", state.classes, confusion.classes())?;
            for class in 0..state.classes {
                let predicted = parts.reliability.of(|group| group == band * state.classes + class);
                let counted: u128 = (0..state.classes).map(|label| u128::from(confusion.count(label, class))).sum();
                agree("pixels of a band predicted as a class", u128::from(predicted.n()), counted)?;
            }
        }
        agree("pixels", n, parts.reliability.n())?;

        let mut sum = ReliabilityBins::new(bins)?;
        for picture in state.pictures.values() {
            sum.merge(picture.clone())?;
        }
        if sum != parts.whole_reliability() {
            return Err(invalid(format!("the diagrams of its {} pictures are not that of all", state.pictures.len())));
        }
        if state.pictures.is_empty() && state.void_pixels > 0 {
            return Err(invalid(format!("{} void pixels of no picture", state.void_pixels)));
        }
        agree("published protocol", state.settings.published, state.published.is_some())?;
        if let Some(published) = &state.published {
            agree("protocol", SegmentationProtocol::Reference, published.calibration.protocol())?;
            agree("bins of the published protocol", bins, published.calibration.bins())?;
            let (pixels, batches) = (published.calibration.n(), published.batches);
            let pictures = state.pictures.len() as u64;
            let most = batches.checked_add(published.empty_batches);
            if pixels > n
                || batches > pixels
                || (batches == 0) != (pixels == 0)
                || most.is_none_or(|all| all > pictures)
            {
                let (empty, n) = (published.empty_batches, pixels);
                return Err(invalid(format!("{batches} batches of {n} pixels, {empty} empty, {pictures} pictures")));
            }
        }
        Ok(Self { state })
    }
}
