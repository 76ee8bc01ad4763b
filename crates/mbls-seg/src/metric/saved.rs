use super::SegmentationMetrics;
use super::state::State;
use mbls_core::metric::{
    self, ClasswiseConvention, Metric, ReliabilityBins, Saved, SegmentationProtocol,
};
use mbls_core::{Error, Result};

impl From<SegmentationMetrics> for Saved<State> {
    fn from(metrics: SegmentationMetrics) -> Self {
        Self::new(metrics.state)
    }
}

fn invalid(problem: String) -> Error {
    <State as metric::MetricState>::invalid(problem)
}

/// Returns an error if two parts of a state that must agree differ.
fn agree<T: PartialEq + std::fmt::Debug>(what: &str, left: T, right: T) -> Result<()> {
    if left == right { Ok(()) } else { Err(invalid(format!("{what}: {left:?} and {right:?}"))) }
}

/// Each part is validated when it is read; this conversion compares the parts with each other.
impl TryFrom<Saved<State>> for SegmentationMetrics {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        // Validates the settings, and has the sizes that they imply.
        let empty = Self::new(state.classes, state.settings.clone())?.state;
        let (parts, bins, n) = (&state.parts, state.settings.bins, state.parts.nll.n());
        agree(
            "bands of the settings and matrices",
            empty.parts.confusion.len(),
            parts.confusion.len(),
        )?;
        agree("groups", empty.parts.reliability.groups(), parts.reliability.groups())?;
        agree("bins", bins, parts.reliability.bins())?;
        agree("classwise errors", state.settings.classwise, parts.classwise.is_some())?;
        if let Some(classwise) = &parts.classwise {
            agree("bins of a class", bins, classwise.bins())?;
            agree("convention", ClasswiseConvention::Definition, classwise.convention())?;
            agree("classes", classwise.classes().unwrap_or(state.classes), state.classes)?;
            agree("pixels of the classes", n, classwise.n())?;
        }
        for (band, confusion) in parts.confusion.iter().enumerate() {
            agree("classes of a band", state.classes, confusion.classes())?;
            for class in 0..state.classes {
                let predicted = parts.reliability.of(|group| group == band * state.classes + class);
                let counted: u128 =
                    (0..state.classes).map(|label| u128::from(confusion.count(label, class))).sum();
                agree("pixels of a band predicted as a class", u128::from(predicted.n()), counted)?;
            }
        }
        agree("pixels", n, parts.reliability.n())?;

        let mut sum = ReliabilityBins::new(bins)?;
        for image in state.images.values() {
            sum.merge(image.clone())?;
        }
        if sum != parts.whole_reliability() {
            return Err(invalid(format!(
                "the diagrams of its {} images do not add up to the diagram of all pixels",
                state.images.len()
            )));
        }
        if state.images.is_empty() && state.void_pixels > 0 {
            return Err(invalid(format!("{} void pixels without an image", state.void_pixels)));
        }
        agree("published protocol", state.settings.published, state.published.is_some())?;
        if let Some(published) = &state.published {
            agree("protocol", SegmentationProtocol::Reference, published.calibration.protocol())?;
            agree("bins of the published protocol", bins, published.calibration.bins())?;
            let (pixels, batches) = (published.calibration.n(), published.batches);
            let images = state.images.len() as u64;
            let most = batches.checked_add(published.empty_batches);
            if pixels > n
                || batches > pixels
                || (batches == 0) != (pixels == 0)
                || most.is_none_or(|all| all > images)
            {
                let (empty, n) = (published.empty_batches, pixels);
                return Err(invalid(format!(
                    "{batches} batches of {n} pixels, {empty} empty, {images} images"
                )));
            }
        }
        Ok(Self { state })
    }
}
