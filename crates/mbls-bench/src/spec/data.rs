//! Data sets by name.

use mbls_nlp::dataset::labelled_file::LabelledFileConfig;
use mbls_vision::transform::Normalise;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A data set and how it is made harder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataSpec {
    /// The repository's 1,797 digits of 8x8 pixels; splits are stratified.
    Digits {
        /// Standard deviation of the Gaussian noise on each image, as a fraction of the full
        /// range.
        noise: f64,
    },
    /// MNIST.
    Mnist,
    /// Fashion-MNIST.
    FashionMnist,
    /// CIFAR-10.
    Cifar10,
    /// CIFAR-100 with its 100 fine labels.
    Cifar100,
    /// The house numbers, cropped.
    Svhn,
    /// Tiny-ImageNet, classes in the order of their WordNet ids.
    TinyImagenet,
    /// CUB-200-2011.
    Cub,
    /// A data set that the crate candle-datasets loads.
    CandleDatasets {
        /// Which.
        set: CandleSet,
        /// From where.
        from: CandleOrigin,
    },
    /// User-supplied images: a folder with one folder per class, or with parts `train`, `val` and
    /// `test` of such folders.
    Imagefolder {
        /// Whether there may be parts.
        #[serde(default, skip_serializing_if = "FolderParts::is_default")]
        parts: FolderParts,
    },
    /// PASCAL VOC 2012, with masks.
    Voc2012,
    /// CamVid in the folders and lists of VOC, with masks and `classes.txt`.
    Camvid,
    /// User-supplied images with masks in the folders and lists of VOC.
    Vocfolder {
        /// What the values of the masks are called, in place of `classes.txt`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        values: BTreeMap<String, String>,
    },
    /// 20 Newsgroups.
    #[serde(rename = "20newsgroups")]
    Newsgroups,
    /// Anybody's texts with labels: a file, or a folder with `train`, `val` and `test` of such.
    Textfile {
        /// What the columns are called.
        #[serde(default)]
        columns: LabelledFileConfig,
    },
}

/// What a network makes of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Images with one class each.
    Images,
    /// Images with masks: a class for each pixel.
    Segmentation,
    /// Texts with one class each.
    Texts,
}

impl TaskKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Images, Self::Segmentation, Self::Texts];
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images with classes",
            Self::Segmentation => "images with masks",
            Self::Texts => "texts",
        })
    }
}

/// How folders called like parts are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderParts {
    /// As parts.
    #[default]
    ByName,
    /// As classes.
    None,
}

impl FolderParts {
    /// Whether it is the one that is not mentioned.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A data set of candle-datasets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandleSet {
    /// MNIST.
    Mnist,
    /// Fashion-MNIST.
    FashionMnist,
    /// CIFAR-10.
    Cifar10,
}

/// Where candle-datasets takes a data set from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandleOrigin {
    /// The folder in which our own reader looks for it.
    Folder,
    /// The hub, over the network unless its cache has the files.
    Hub,
}

impl CandleSet {
    /// The same data set as our own reader loads it.
    fn own(self) -> DataSpec {
        match self {
            Self::Mnist => DataSpec::Mnist,
            Self::FashionMnist => DataSpec::FashionMnist,
            Self::Cifar10 => DataSpec::Cifar10,
        }
    }
}

impl DataSpec {
    /// Its name in suites.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Digits { .. } => "digits",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Svhn => "svhn",
            Self::TinyImagenet => "tiny-imagenet",
            Self::Cub => "cub",
            Self::CandleDatasets { set, .. } => set.own().name(),
            Self::Imagefolder { .. } => "imagefolder",
            Self::Voc2012 => "voc2012",
            Self::Camvid => "camvid",
            Self::Vocfolder { .. } => "vocfolder",
            Self::Newsgroups => "20newsgroups",
            Self::Textfile { .. } => "textfile",
        }
    }

    /// Whether each image is in a file of its own, which has to be decoded.
    pub fn is_in_files(&self) -> bool {
        matches!(self, Self::TinyImagenet | Self::Cub | Self::Imagefolder { .. })
            || self.task() == TaskKind::Segmentation
    }

    /// What a network makes of it.
    pub fn task(&self) -> TaskKind {
        match self {
            Self::Voc2012 | Self::Camvid | Self::Vocfolder { .. } => TaskKind::Segmentation,
            Self::Newsgroups | Self::Textfile { .. } => TaskKind::Texts,
            _ => TaskKind::Images,
        }
    }

    /// Whether it is user-supplied, in the folder `--data` itself.
    pub fn is_ones_own(&self) -> bool {
        self.folder() == Some("")
    }

    /// The name of the folder in `--data`; none for the repository's own, and an empty one where
    /// `--data` is the folder itself.
    pub fn folder(&self) -> Option<&'static str> {
        match self {
            Self::Digits { .. } => None,
            Self::Mnist => Some("mnist"),
            Self::FashionMnist => Some("fashion-mnist"),
            Self::Cifar10 => Some("cifar-10-batches-bin"),
            Self::Cifar100 => Some("cifar-100-binary"),
            Self::Svhn => Some("svhn"),
            Self::TinyImagenet => Some("tiny-imagenet-200"),
            Self::Cub => Some("CUB_200_2011"),
            Self::CandleDatasets { set, .. } => set.own().folder(),
            Self::Voc2012 => Some("VOCdevkit/VOC2012"),
            Self::Camvid => Some("camvid-voc"),
            Self::Newsgroups => Some("20newsgroups"),
            Self::Imagefolder { .. } | Self::Vocfolder { .. } | Self::Textfile { .. } => Some(""),
        }
    }

    /// The normalisation of its images; `None` for texts.
    pub fn normalisation(&self) -> Option<Normalise> {
        Some(match self {
            Self::Digits { .. } => Normalise::digits(),
            Self::Mnist => Normalise::mnist(),
            Self::FashionMnist => Normalise::fashion_mnist(),
            Self::Cifar10 => Normalise::cifar10(),
            Self::Cifar100 => Normalise::cifar100(),
            Self::Svhn => Normalise::svhn(),
            Self::CandleDatasets { set, .. } => set.own().normalisation()?,
            Self::TinyImagenet | Self::Cub | Self::Imagefolder { .. } => Normalise::imagenet(),
            Self::Voc2012 | Self::Camvid | Self::Vocfolder { .. } => Normalise::imagenet(),
            Self::Newsgroups | Self::Textfile { .. } => return None,
        })
    }
}
