//! Compiles and runs the code of the README and of the guide as documentation tests.
//!
//! The crate is empty otherwise. It depends on [`mbls`] with the features of all tasks, so a test of
//! the whole workspace builds every example.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/choose-margin-and-alpha.md")]
struct ChooseMarginAndAlpha;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/extend.md")]
struct Extend;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/from-pytorch.md")]
struct FromPytorch;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/glossary.md")]
struct Glossary;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/introduction.md")]
struct Introduction;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/is-my-model-calibrated.md")]
struct IsMyModelCalibrated;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/own-images-masks-texts.md")]
struct OwnImagesMasksTexts;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/read-the-report.md")]
struct ReadTheReport;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/repair-a-model.md")]
struct RepairAModel;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/reproduce-the-paper.md")]
struct ReproduceThePaper;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/run-on-a-gpu.md")]
struct RunOnAGpu;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/train-with-a-margin.md")]
struct TrainWithAMargin;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/training-loop.md")]
struct TrainingLoop;
