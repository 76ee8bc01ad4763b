//! Data sets by name.

use mbls_nlp::dataset::labelled_file::LabelledFileConfig;
use mbls_vision::transform::Normalise;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A data set, with options that make it harder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataSpec {
    /// The repository's 1,797 digits of 8x8 pixels; splits are stratified.
    Digits {
        /// Standard deviation of the Gaussian noise added to each image, as a fraction of the full
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
    /// SVHN (street-view house numbers), cropped.
    Svhn,
    /// Tiny-ImageNet, with the classes ordered by WordNet id.
    TinyImagenet,
    /// CUB-200-2011.
    Cub,
    /// A data set loaded by the crate candle-datasets.
    CandleDatasets {
        /// The data set.
        set: CandleSet,
        /// The source of the files.
        from: CandleOrigin,
    },
    /// User-supplied images: a folder with one folder per class, or with parts `train`, `val` and
    /// `test` of such folders.
    Imagefolder {
        /// Whether folders may be parts.
        #[serde(default, skip_serializing_if = "FolderParts::is_default")]
        parts: FolderParts,
    },
    /// PASCAL VOC 2012, with masks.
    Voc2012,
    /// CamVid in the folders and lists of VOC, with masks and `classes.txt`.
    Camvid,
    /// User-supplied images with masks in the folders and lists of VOC.
    Vocfolder {
        /// The names of the masks' values, instead of `classes.txt`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        values: BTreeMap<String, String>,
    },
    /// 20 Newsgroups.
    #[serde(rename = "20newsgroups")]
    Newsgroups,
    /// User-supplied labelled texts: a file, or a folder with files `train`, `val` and `test`.
    Textfile {
        /// The names of the columns.
        #[serde(default)]
        columns: LabelledFileConfig,
    },
}

/// The task of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Images with one class each.
    Images,
    /// Images with masks: a class per pixel.
    Segmentation,
    /// Texts with one class each.
    Texts,
}

impl TaskKind {
    /// All tasks.
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

/// The meaning of folders named like parts.
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
    /// Returns whether this is the default, which is not serialised.
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

/// The source from which candle-datasets reads a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandleOrigin {
    /// The folder that this project's own reader uses.
    Folder,
    /// The Hugging Face Hub, over the network unless the files are in its cache.
    Hub,
}

impl CandleSet {
    /// Returns the same data set as read by this project's own reader.
    fn own(self) -> DataSpec {
        match self {
            Self::Mnist => DataSpec::Mnist,
            Self::FashionMnist => DataSpec::FashionMnist,
            Self::Cifar10 => DataSpec::Cifar10,
        }
    }
}

impl DataSpec {
    /// Returns the name used in suites.
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

    /// Returns whether each image is in a separate file, which must be decoded.
    pub fn is_in_files(&self) -> bool {
        matches!(self, Self::TinyImagenet | Self::Cub | Self::Imagefolder { .. })
            || self.task() == TaskKind::Segmentation
    }

    /// Returns the task of the data set.
    pub fn task(&self) -> TaskKind {
        match self {
            Self::Voc2012 | Self::Camvid | Self::Vocfolder { .. } => TaskKind::Segmentation,
            Self::Newsgroups | Self::Textfile { .. } => TaskKind::Texts,
            _ => TaskKind::Images,
        }
    }

    /// Returns whether the data is user-supplied, in the folder `--data` itself.
    pub fn is_ones_own(&self) -> bool {
        self.folder() == Some("")
    }

    /// Returns the name of the folder in `--data`: `None` for the repository's data, empty if
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

    /// Returns the normalisation of the images; `None` for texts.
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
