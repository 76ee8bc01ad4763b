mod batch;
mod calibration;
mod confusion;
mod overlap;

pub use batch::{PixelRows, SegmentationBatch};
pub use calibration::{
    SegmentationCalibration, SegmentationCalibrationReport, SegmentationProtocol,
};
pub use confusion::ConfusionMatrix;
pub use overlap::{AbsentClasses, Background, ClassOverlap, Overlap};
