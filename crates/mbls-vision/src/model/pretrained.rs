//! Pretrained weights: all parameters except, usually, the classifier.
//!
//! The weights come from a PyTorch or safetensors file with the network's parameter names: those of
//! torchvision or of the published code, as stated by
//! [`Architecture::origin`](super::Architecture::origin). The new classifier commonly uses a higher
//! learning rate than the rest:
//!
//! ```
//! use candle_core::{DType, Device};
//! use mbls_nn::{Checkpoint, OptimizerConfig, ParamGroup, ParamStore, Parameters, SgdConfig};
//! use mbls_vision::model::pretrained::{self, Head};
//! use mbls_vision::model::{Architecture, Options};
//!
//! let architecture: Architecture = "resnet20".parse()?;
//! let network = |classes, seed| {
//!     let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
//!     architecture.build(classes, [3, 32, 32], Options::default(), store.var_builder())?;
//!     Ok::<_, Box<dyn std::error::Error>>(store)
//! };
//! // From a file: Checkpoint::read("resnet20.pth".as_ref())?
//! let checkpoint = Checkpoint::from_bytes(network(1000, 1)?.to_safetensors()?)?;
//! let store = network(10, 2)?;
//! let report = pretrained::load(&store, &checkpoint, "fc", Head::IfItFits)?;
//! assert_eq!((report.taken.len(), report.new_head.as_deref()), (95, Some("fc")));
//!
//! let group = ParamGroup {
//!     prefix: Some("fc.".into()),
//!     learning_rate_factor: Some(10.0),
//!     ..Default::default()
//! };
//! let parameters = Parameters::from(store.parameters()).with_groups(&[group])?;
//! let optimizer = OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, ..Default::default() })
//!     .build(parameters)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use mbls_nn::{Checkpoint, Error, Fit, LoadReport, MisShaped, ParamStore, Result};
use std::fmt;

/// The initialisation of the classifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// It is loaded if all of its tensors are in the checkpoint with the network's shapes, and
    /// keeps its initialisation otherwise.
    #[default]
    IfItFits,
    /// It keeps its initialisation even if it would fit, because its classes differ.
    New,
}

/// The tensors loaded from a checkpoint, and those that were not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pretrained {
    /// The prefix removed from the names in the checkpoint, as described for [`ParamStore::load`];
    /// empty if there was none.
    pub prefix: String,
    /// The loaded tensors, sorted.
    pub taken: Vec<String>,
    /// The name of the classifier, if it kept its initialisation.
    pub new_head: Option<String>,
    /// The tensors of the classifier and of the `others` that have a different shape in the
    /// checkpoint.
    pub mis_shaped: Vec<MisShaped>,
    /// The tensors of the same parts that the checkpoint lacks.
    pub missing: Vec<String>,
    /// Tensors of the checkpoint under the names of these parts that the network does not have.
    pub unused: Vec<String>,
}

/// Loads a checkpoint's weights into the network's variables in `store`, and its classifier as
/// specified by `head`.
///
/// Build the network first. `head` contains the name of its classifier, as returned by
/// [`Network::head`](super::Network::head).
///
/// # Errors
///
/// [`Error::Setting`] if the network has no part `head`; [`mbls_io::Error::Checkpoint`] if no
/// weights are found; [`Error::State`] if anything outside of `head` is missing, unexpected or of a
/// different shape. On an error no variable has changed.
pub fn load(
    store: &ParamStore,
    checkpoint: &Checkpoint,
    head: &str,
    choice: Head,
) -> Result<Pretrained> {
    load_beside(store, checkpoint, head, &[], choice)
}

/// As [`load`], for a network or checkpoint with further parts `others`, such as an auxiliary
/// classifier used only for training.
///
/// Each of them is loaded or not independently, like the classifier, and may be missing on either
/// side.
///
/// # Errors
///
/// As for [`load`].
pub fn load_beside(
    store: &ParamStore,
    checkpoint: &Checkpoint,
    head: &str,
    others: &[&str],
    choice: Head,
) -> Result<Pretrained> {
    let variables = [store.parameters(), store.buffers()].concat();
    if !variables.iter().any(|(name, _)| within(head, name)) {
        let expected = "the name of a part of the network";
        return Err(Error::Setting { name: "head", value: head.to_owned(), expected });
    }
    let heads = [&[head], others].concat();
    // Copy the variables before anything changes, so the steps after the load cannot fail for
    // another reason.
    let initial = variables
        .into_iter()
        .filter(|(name, _)| heads.iter().any(|head| within(head, name)))
        .map(|(name, var)| Ok((name, var.as_detached_tensor().copy()?, var)))
        .collect::<candle_core::Result<Vec<_>>>()?;
    let mut pretrained = Pretrained::of(store.load(checkpoint, Fit::Except(&heads))?);
    for part in heads {
        let misfits =
            pretrained.mis_shaped.iter().map(|tensor| &tensor.name).chain(&pretrained.missing);
        if choice == Head::IfItFits && !misfits.into_iter().any(|name| within(part, name)) {
            continue;
        }
        for (_, initial, var) in initial.iter().filter(|(name, ..)| within(part, name)) {
            var.set(initial)?;
        }
        pretrained.taken.retain(|name| !within(part, name));
        if part == head {
            pretrained.new_head = Some(head.to_owned());
        }
    }
    Ok(pretrained)
}

/// Loads the weights of a classifier, without its part `head`, into the network's part `encoder` in
/// `store`. Initialises, for example, the encoder of a segmentation network from torchvision's
/// network for ImageNet, where `head` is `fc`.
///
/// # Errors
///
/// [`Error::Setting`] if the network has no part `encoder`; [`mbls_io::Error::Checkpoint`] if no
/// weights are found; [`Error::State`] if anything except `head` is missing, unexpected or of a
/// different shape. On an error no variable has changed.
///
/// ```
/// use candle_core::{DType, Device};
/// use mbls_nn::{Checkpoint, ParamStore};
/// use mbls_vision::model::{ResNet, ResNetConfig, ResNetEncoder, pretrained};
///
/// let store = |seed| ParamStore::new(seed, DType::F32, &Device::Cpu);
/// let config = ResNetConfig::torchvision(18, 10)?;
/// let (classifier, network) = (store(1), store(2));
/// ResNet::new(config.clone(), classifier.var_builder())?;
/// ResNetEncoder::new(&config, network.var_builder().pp("encoder"))?;
/// // From a file: Checkpoint::read("resnet18-f37072fd.pth".as_ref())?
/// let checkpoint = Checkpoint::from_bytes(classifier.to_safetensors()?)?;
/// let report = pretrained::load_encoder(&network, "encoder", &checkpoint, "fc")?;
/// assert_eq!(
///     (report.taken.len(), report.unused),
///     (100, vec!["fc.bias".into(), "fc.weight".into()])
/// );
/// # Ok::<(), mbls_nn::Error>(())
/// ```
pub fn load_encoder(
    store: &ParamStore,
    encoder: &str,
    checkpoint: &Checkpoint,
    head: &str,
) -> Result<Pretrained> {
    Ok(Pretrained::of(store.load_part(encoder, checkpoint, Fit::Except(&[head]))?))
}

impl Pretrained {
    /// Converts the report of a checkpoint whose classifier was ignored or fits.
    fn of(report: LoadReport) -> Self {
        Self {
            prefix: report.prefix,
            taken: report.loaded,
            new_head: None,
            mis_shaped: report.mis_shaped,
            missing: report.missing,
            unused: report.unexpected,
        }
    }
}

/// Returns whether a tensor belongs to a part.
fn within(part: &str, name: &str) -> bool {
    name.strip_prefix(part).is_some_and(|rest| rest.starts_with('.'))
}

/// Formats the number of loaded tensors and the state of the classifier.
impl fmt::Display for Pretrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} taken from the checkpoint", self.taken.len())?;
        if !self.prefix.is_empty() {
            write!(f, ", without the prefix {:?} of its names", self.prefix)?;
        }
        if let Some(head) = &self.new_head {
            write!(f, "; {head} as initialised")?;
        }
        for name in &self.missing {
            write!(f, "; {name} missing")?;
        }
        for tensor in &self.mis_shaped {
            write!(f, "; {tensor}")?;
        }
        for name in &self.unused {
            write!(f, "; {name} unused")?;
        }
        Ok(())
    }
}
