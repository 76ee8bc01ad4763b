//! The list of sources: the origin, checksums and layout of each data set.

use crate::entry_name;
use anyhow::{Context, Result, bail, ensure};
use glob::Pattern;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The built-in list.
const BUILT_IN: &str = include_str!("../datasets.toml");

/// All data sets by name.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Manifest {
    /// Ordered by name.
    pub(crate) sets: BTreeMap<String, DataSet>,
}

/// A data set or a set of weights: one folder or one file in the data folder.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DataSet {
    /// The title.
    #[serde(skip_serializing)]
    pub(crate) title: String,
    /// The distributor's terms of use.
    #[serde(skip_serializing)]
    pub(crate) terms: String,
    /// The folder or file in the data folder.
    pub(crate) target: String,
    /// Whether it is downloaded if no names are given.
    #[serde(default, skip_serializing)]
    pub(crate) benchmarks: bool,
    /// The maximum size of all unpacked files in bytes.
    pub(crate) max_bytes: u64,
    /// The maximum size of one unpacked file in bytes; defaults to `max_bytes`.
    pub(crate) max_file_bytes: Option<u64>,
    /// The maximum number of entries of all archives, including skipped ones.
    pub(crate) max_entries: u64,
    /// The files that must exist after unpacking.
    #[serde(default)]
    pub(crate) layout: Vec<LayoutRule>,
    /// The files to download.
    pub(crate) files: Vec<Source>,
}

/// A rule about files that must exist.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LayoutRule {
    /// The pattern of their paths relative to the target; `*` matches anything but `/`.
    pub(crate) files: Glob,
    /// The number of files.
    pub(crate) count: u64,
    /// The size of each file in bytes, if known.
    pub(crate) bytes: Option<u64>,
}

/// A file to download.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Source {
    /// The addresses, which are tried in order.
    #[serde(skip_serializing)]
    pub(crate) urls: Vec<String>,
    /// The size in bytes.
    pub(crate) size: Option<u64>,
    /// The MD5 checksum.
    pub(crate) md5: Option<String>,
    /// The SHA-256 checksum.
    pub(crate) sha256: Option<String>,
    /// The first digits of the SHA-256 checksum, which the file names of PyTorch's weights contain.
    pub(crate) sha256_prefix: Option<String>,
    pub(crate) kind: Kind,
    /// The name below the target for a file that is not an archive; without a name the target is
    /// the file.
    pub(crate) name: Option<String>,
    /// Alternative names of the archive's folder that becomes the target; if empty, the whole
    /// archive is unpacked.
    #[serde(default)]
    pub(crate) root: Vec<String>,
    /// Patterns of skipped entries.
    #[serde(default)]
    pub(crate) skip: Vec<Glob>,
    /// The MD5 checksum of the unpacked file, for `gz`.
    pub(crate) unpacked_md5: Option<String>,
    /// The SHA-256 checksum of the unpacked file, for `gz`.
    pub(crate) unpacked_sha256: Option<String>,
}

/// The kind of a downloaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A file that is not unpacked.
    File,
    /// A single compressed file.
    Gz,
    /// A tar archive.
    Tar,
    /// A compressed tar archive.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A zip archive.
    Zip,
}

/// A pattern of paths.
#[derive(Debug)]
pub(crate) struct Glob(Pattern);

impl Glob {
    /// Returns whether the pattern matches a path separated by slashes.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let options = glob::MatchOptions {
            require_literal_separator: true,
            case_sensitive: true,
            ..Default::default()
        };
        self.0.matches_with(path, options)
    }

    /// Returns the pattern.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Pattern::new(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Glob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Manifest {
    /// Reads the list in `path`, or the built-in one.
    ///
    /// # Errors
    ///
    /// If it is not a valid list.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Self::parse(BUILT_IN).context("the list of data sets");
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Parses a list.
    ///
    /// # Errors
    ///
    /// As [`Manifest::read`].
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text)?;
        let mut targets: Vec<(&str, &str)> = Vec::new();
        for (name, set) in &manifest.sets {
            set.check(name).with_context(|| name.clone())?;
            for (other, target) in &targets {
                let nested = Path::new(&set.target).starts_with(target)
                    || Path::new(target).starts_with(&set.target);
                ensure!(
                    !nested,
                    "{name}: target: expected one that does not overlap that of {other}, {target}, found {}",
                    set.target
                );
            }
            targets.push((name, &set.target));
        }
        Ok(manifest)
    }

    /// Returns the data sets with the given names; without names, those that the benchmarks need.
    ///
    /// # Errors
    ///
    /// If a name is unknown.
    pub(crate) fn choose(&self, names: &[String]) -> Result<Vec<(&str, &DataSet)>> {
        let all = || self.sets.iter().map(|(name, set)| (name.as_str(), set));
        if names.is_empty() {
            return Ok(all().filter(|(_, set)| set.benchmarks).collect());
        }
        if let Some(unknown) =
            names.iter().find(|name| *name != "all" && !self.sets.contains_key(*name))
        {
            let known: Vec<&str> = self.sets.keys().map(String::as_str).collect();
            bail!("there is no data set \"{unknown}\"; expected all, {}", known.join(", "));
        }
        Ok(all()
            .filter(|(name, _)| names.iter().any(|chosen| chosen == name || chosen == "all"))
            .collect())
    }
}

impl DataSet {
    /// Returns whether the target is a single file rather than a folder.
    pub(crate) fn is_file(&self) -> bool {
        matches!(&self.files[..], [Source { kind: Kind::File | Kind::Gz, name: None, .. }])
    }

    /// Returns the number of bytes to download, if all sizes are known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.files.iter().map(|source| source.size).sum()
    }

    /// Returns a hash of everything that determines the result: checksums, layout and limits.
    /// Addresses are not part of it.
    ///
    /// # Errors
    ///
    /// If it cannot be serialised as TOML.
    pub(crate) fn identity(&self) -> Result<String> {
        let mut hasher = crate::digest::Hasher::new(false);
        hasher.update(toml::to_string(self)?.as_bytes());
        Ok(hasher.finish().sha256)
    }

    fn check(&self, name: &str) -> Result<()> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(!name.is_empty() && name.chars().all(plain), "name: expected a-z, 0-9 and -");
        ensure!(name != "all", "name: expected another one, because all selects all data sets");
        is_plain_path("target", &self.target)?;
        ensure!(
            !self.target.starts_with('.'),
            "target: expected one that does not start with a dot, found {}",
            self.target
        );
        ensure!(!self.files.is_empty(), "files: expected at least one");
        let mut seen = Vec::new();
        for source in &self.files {
            let download = source.check(self.files.len())?;
            ensure!(
                !seen.contains(&download),
                "files: expected different names of downloads, found {download} twice"
            );
            seen.push(download);
        }
        Ok(())
    }
}

impl Source {
    /// Returns the name of the downloaded file: the last component of its first address.
    pub(crate) fn download_name(&self) -> &str {
        let path = self.urls[0].split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    /// Returns whether a checksum of the whole content is known, so no trust on first use is
    /// needed.
    pub(crate) fn has_digest(&self) -> bool {
        [&self.md5, &self.sha256, &self.unpacked_md5, &self.unpacked_sha256]
            .into_iter()
            .any(Option::is_some)
    }

    fn check(&self, sources: usize) -> Result<&str> {
        ensure!(!self.urls.is_empty(), "urls: expected at least one");
        for url in &self.urls {
            ensure!(
                host(url).is_some(),
                "urls: expected http:// or https:// and a host, found {url}"
            );
        }
        let download = self.download_name();
        is_plain_path("urls: the last part", download)?;
        let reserved =
            [".part", ".toml", ".tmp", ".sha256"].iter().any(|ending| download.ends_with(ending));
        ensure!(
            !reserved && !["lock", "new", "old"].contains(&download),
            "urls: {download} is reserved for the program's own files"
        );
        let digests = [
            ("md5", &self.md5, 32..=32),
            ("sha256", &self.sha256, 64..=64),
            ("sha256-prefix", &self.sha256_prefix, 4..=64),
            ("unpacked-md5", &self.unpacked_md5, 32..=32),
            ("unpacked-sha256", &self.unpacked_sha256, 64..=64),
        ];
        for (field, digest, digits) in digests {
            let Some(digest) = digest else { continue };
            let is_hex = digest.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
            ensure!(
                is_hex && digits.contains(&digest.len()),
                "{field}: expected {digits:?} digits 0-9 a-f, found {digest}"
            );
        }
        let is_archive = matches!(self.kind, Kind::Tar | Kind::TarGz | Kind::Zip);
        if self.kind != Kind::Gz {
            let none = self.unpacked_md5.is_none() && self.unpacked_sha256.is_none();
            ensure!(none, "unpacked-md5, unpacked-sha256: expected only for kind gz");
        }
        ensure!(
            is_archive || (self.root.is_empty() && self.skip.is_empty()),
            "root, skip: expected only for archives"
        );
        for root in &self.root {
            is_plain_path("root", root)?;
        }
        match &self.name {
            Some(name) => {
                ensure!(!is_archive, "name: expected none for an archive");
                is_plain_path("name", name)?;
            }
            None => {
                ensure!(is_archive || sources == 1, "name: expected one for each of several files");
            }
        }
        Ok(download)
    }
}

/// Returns the host of an address, with its port.
pub(crate) fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())
}

fn is_plain_path(field: &str, path: &str) -> Result<()> {
    let same =
        entry_name::relative(path.as_bytes()).is_ok_and(|relative| relative.as_os_str() == path);
    ensure!(same, "{field}: expected a relative path of plain names, found \"{path}\"");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = r#"
        [a]
        title = "A"
        terms = "none"
        target = "a"
        max-bytes = 10
        max-entries = 1
        files = [{ urls = ["https://host/a.bin"], kind = "file" }]
    "#;

    #[test]
    fn built_in_list_is_sound() {
        let manifest = Manifest::parse(BUILT_IN).unwrap();
        let names: Vec<&str> =
            manifest.choose(&[]).unwrap().into_iter().map(|(name, _)| name).collect();
        for name in ["cifar10", "cifar100", "cub", "mnist", "tiny-imagenet", "resnet101"] {
            assert!(names.contains(&name), "{name} is what a suite needs");
        }
        for (name, set) in &manifest.sets {
            assert!(!set.layout.is_empty(), "{name}: layout");
            assert!(
                set.files.iter().all(|source| source.size.is_none_or(|size| size > 0)),
                "{name}: size"
            );
        }
    }

    #[test]
    fn contradictions_are_rejected() {
        Manifest::parse(SET).unwrap();
        let refused = |from: &str, to: &str, expected: &str| {
            assert!(SET.contains(from));
            let error = format!("{:#}", Manifest::parse(&SET.replace(from, to)).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        refused("target = \"a\"", "target = \"../a\"", "target: expected a relative path");
        refused("target = \"a\"", "target = \".fetch\"", "dot");
        refused("https://host/a.bin", "ftp://host/a.bin", "expected http:// or https://");
        refused("https://host/a.bin", "https://host/", "the last part");
        refused("https://host/a.bin", "https://host/stamp.toml", "the program's own files");
        refused("kind = \"file\"", "kind = \"file\", md5 = \"12\"", "md5: expected");
        refused("kind = \"file\"", "kind = \"zip\", name = \"a\"", "name: expected none");
        refused(
            "kind = \"file\"",
            "kind = \"file\", unpacked-md5 = \"900150983cd24fb0d6963f7d28e17f72\"",
            "for kind gz",
        );
        refused("title = \"A\"", "titel = \"A\"", "titel");
        let two = format!(
            "{SET}\n{}",
            SET.replace("[a]", "[b]").replace("target = \"a\"", "target = \"a/b\"")
        );
        assert!(
            Manifest::parse(&two).unwrap_err().to_string().contains("does not overlap that of a")
        );
    }

    #[test]
    fn addresses_are_not_part_of_the_identity() {
        let identity = |text: &str| Manifest::parse(text).unwrap().sets["a"].identity().unwrap();
        assert_eq!(identity(SET), identity(&SET.replace("https://host", "https://mirror")));
        assert_ne!(
            identity(SET),
            identity(&SET.replace("kind = \"file\"", "kind = \"file\", size = 3"))
        );
    }
}
