//! TensorBoard event files.
//!
//! A file is a sequence of records in TFRecord framing, each a protocol buffer `tensorflow.Event`.
//! Only scalars are written, so both are encoded here without a library.

use crate::event::{EpochReport, Start, StepReport};
use crate::{Observer, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes the scalars of a training into a folder for TensorBoard.
///
/// | tag | value | when |
/// |---|---|---|
/// | `train/loss_of_steps` | mean loss of the steps since the previous value | when losses are read |
/// | `train/NAME` | means over the training batches of an epoch | each epoch |
/// | `validation/NAME` | the metrics on the validation data | each epoch |
/// | `learning_rate`, `gradient_norm` | of the epoch | each epoch |
///
/// The step of every value is the total number of training steps so far. Each start of a run
/// creates a new file, which tells TensorBoard where the run resumes: whatever an interrupted run
/// wrote after its last checkpoint is not shown. Undefined values are left out.
///
/// ```no_run
/// # fn add(trainer: mbls_train::Trainer<'_>) -> mbls_train::Trainer<'_> {
/// trainer.with_observer(mbls_train::TensorBoard::new("runs/digits"))
/// # }
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    folder: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    /// Steps per epoch.
    steps: usize,
}

impl TensorBoard {
    /// Writes into `folder`, which is created if it does not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), open: None }
    }

    fn write(&mut self, event: &[u8]) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        Ok(open.file.write_all(&record(event)).map_err(mbls_io::Error::io("write", &open.path))?)
    }

    /// Writes one event with all defined scalars.
    fn scalars(&mut self, step: usize, scalars: &[(String, Option<f64>)]) -> Result<()> {
        let defined = scalars.iter().filter_map(|(tag, value)| Some((tag.as_str(), (*value)?)));
        let summary: Vec<u8> =
            defined.flat_map(|(tag, value)| message(1, &scalar(tag, value as f32))).collect();
        if summary.is_empty() {
            return Ok(());
        }
        self.write(&[event(step), message(5, &summary)].concat())
    }

    /// Returns the total number of steps before step `step` of an epoch.
    fn steps(&self, epoch: usize, step: usize) -> usize {
        self.open.as_ref().map_or(0, |open| epoch * open.steps + step)
    }
}

impl Observer for TensorBoard {
    fn start(&mut self, start: &Start) -> Result<()> {
        if start.epoch == start.epochs {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)
            .map_err(mbls_io::Error::io("create the directory", &self.folder))?;
        let (path, file) = create(&self.folder)?;
        self.open = Some(Open { path, file, steps: start.steps });
        self.write(&[event(0), message(3, b"brain.Event:2")].concat())?;
        // SessionLog { status: START } drops events of this step and later ones in earlier files.
        let first = self.steps(start.epoch, start.step) + 1;
        self.write(&[event(first), message(7, &[tag(1, 0), varint(1)].concat())].concat())
    }

    fn step(&mut self, report: &StepReport) -> Result<()> {
        let step = self.steps(report.epoch, report.step + 1);
        self.scalars(step, &[("train/loss_of_steps".to_owned(), report.loss)])
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<()> {
        let of = |part: &'static str| {
            move |(name, value): (&String, &Option<f64>)| (format!("{part}/{name}"), *value)
        };
        let mut scalars: Vec<_> = report.train.iter().map(of("train")).collect();
        scalars.extend(report.validation.iter().map(of("validation")));
        scalars.push(("learning_rate".to_owned(), Some(report.learning_rate)));
        scalars.push(("gradient_norm".to_owned(), Some(report.gradient_norm)));
        self.scalars(self.steps(report.epoch + 1, 0), &scalars)
    }
}

/// Creates a new file, whose name sorts after earlier ones.
fn create(folder: &Path) -> Result<(PathBuf, File)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut number = 0;
    loop {
        let name =
            format!("events.out.tfevents.{:010}.{:09}.{number}", now.as_secs(), now.subsec_nanos());
        let path = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            opened => {
                let file = opened.map_err(mbls_io::Error::io("create", &path))?;
                return Ok((path, file));
            }
        }
    }
}

/// Encodes the first fields of every `Event`: `wall_time` (1) in seconds and `step` (2).
fn event(step: usize) -> Vec<u8> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    [tag(1, 1), seconds.to_le_bytes().to_vec(), tag(2, 0), varint(step as u64)].concat()
}

/// Encodes `Summary.Value { tag (1), simple_value (2) }`.
fn scalar(name: &str, value: f32) -> Vec<u8> {
    [message(1, name.as_bytes()), tag(2, 5), value.to_le_bytes().to_vec()].concat()
}

/// Encodes a length-delimited field: a string or a message.
fn message(field: u64, bytes: &[u8]) -> Vec<u8> {
    [tag(field, 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// Encodes the tag of a field. Wire types: 0 varint, 1 eight bytes, 2 length-delimited, 5 four
/// bytes.
fn tag(field: u64, wire: u64) -> Vec<u8> {
    varint(field << 3 | wire)
}

/// Encodes a varint: seven bits per byte, the lowest first; the highest bit says that more bytes
/// follow.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Frames a TFRecord: length, checksum of the length, bytes, checksum of the bytes.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked(crc32c(bytes)).to_le_bytes();
    [length.as_slice(), &checksum(&length), bytes, &checksum(bytes)].concat()
}

/// Returns TFRecord's masked form of a checksum, which avoids checksums of data that itself
/// contains checksums.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit, because records are only a few hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let fold = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc: u32, &byte| (0..8).fold(crc ^ u32::from(byte), fold))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The algorithm's check value, and those of RFC 3720, appendix B.4.
    #[test]
    fn checksums_match_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(varint(300), [0xac, 2]);
        assert_eq!(varint(u64::MAX), [&[0xff; 9][..], &[1]].concat());
    }

    /// A decoded field of a message.
    #[derive(Debug, PartialEq)]
    enum Field {
        Varint(u64),
        Eight(f64),
        Bytes(Vec<u8>),
        Four(f32),
    }

    fn take_varint(bytes: &mut &[u8]) -> u64 {
        let end = bytes.iter().position(|byte| byte & 0x80 == 0).expect("an end") + 1;
        let (varint, rest) = bytes.split_at(end);
        *bytes = rest;
        varint.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
    }

    fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let tag = take_varint(&mut bytes);
            let length = match tag & 7 {
                0 => {
                    found.push((tag >> 3, Field::Varint(take_varint(&mut bytes))));
                    continue;
                }
                1 => 8,
                2 => take_varint(&mut bytes) as usize,
                5 => 4,
                other => panic!("wire type {other}"),
            };
            let (value, rest) = bytes.split_at(length);
            bytes = rest;
            let value = match tag & 7 {
                1 => Field::Eight(f64::from_le_bytes(value.try_into().unwrap())),
                2 => Field::Bytes(value.to_vec()),
                _ => Field::Four(f32::from_le_bytes(value.try_into().unwrap())),
            };
            found.push((tag >> 3, value));
        }
        found
    }

    /// Returns the events of a file and checks its checksums.
    fn events(path: &Path) -> Vec<Vec<(u64, Field)>> {
        let bytes = std::fs::read(path).unwrap();
        let (mut bytes, mut found) = (bytes.as_slice(), Vec::new());
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            // Reverses the mask.
            let unmasked = |word: u32| word.wrapping_sub(0xa282_ead8).rotate_left(15);
            assert_eq!(unmasked(word(8)), crc32c(&bytes[..8]));
            assert_eq!(unmasked(word(12 + length)), crc32c(&bytes[12..12 + length]));
            found.push(fields(&bytes[12..12 + length]));
            bytes = &bytes[16 + length..];
        }
        found
    }

    #[test]
    fn scalars_are_written_with_their_steps() {
        let folder = tempfile::tempdir().unwrap();
        let start = Start { identity: String::new(), epoch: 2, step: 5, epochs: 4, steps: 200 };
        let mut board = TensorBoard::new(folder.path());
        board.start(&start).unwrap();
        let step = StepReport { epoch: 2, step: 9, steps: 200, loss: Some(0.25) };
        board.step(&step).unwrap();
        board.step(&StepReport { loss: None, ..step }).unwrap();
        let report = EpochReport {
            epoch: 2,
            learning_rate: 0.5,
            train: BTreeMap::from([("loss".to_owned(), Some(0.75))]),
            gradient_norm: 3.0,
            steps_without_loss: 0,
            validation: BTreeMap::from([
                ("nll".to_owned(), Some(f64::INFINITY)),
                ("miou".to_owned(), None),
            ]),
            score: Some(0.75),
            best: true,
            seconds: 1.0,
            train_seconds: 1.0,
        };
        board.epoch(&report).unwrap();
        // Another process creates another file, even at the same moment.
        TensorBoard::new(folder.path()).start(&start).unwrap();
        let mut files: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 2);

        let found = events(&files[0]);
        let steps: Vec<_> = found.iter().map(|event| &event[1]).collect();
        let at = |step| (2, Field::Varint(step));
        assert_eq!(steps, [&at(0), &at(406), &at(410), &at(600)]);
        assert!(
            found
                .iter()
                .all(|event| matches!(event[0], (1, Field::Eight(seconds)) if seconds > 1.6e9))
        );
        assert_eq!(found[0][2], (3, Field::Bytes(b"brain.Event:2".to_vec())));
        let Field::Bytes(session) = &found[1][2].1 else { panic!("{found:?}") };
        assert_eq!((found[1][2].0, fields(session)), (7, vec![(1, Field::Varint(1))]));
        let scalars = |event: &[(u64, Field)]| -> Vec<(String, f32)> {
            let (5, Field::Bytes(summary)) = &event[2] else { panic!("{event:?}") };
            let value = |(field, value): (u64, Field)| {
                let (1, Field::Bytes(value)) = (field, value) else { panic!("{event:?}") };
                let [(1, Field::Bytes(name)), (2, Field::Four(value))] = &fields(&value)[..] else {
                    panic!("{value:?}")
                };
                (String::from_utf8(name.clone()).unwrap(), *value)
            };
            fields(summary).into_iter().map(value).collect()
        };
        assert_eq!(scalars(&found[2]), [("train/loss_of_steps".to_owned(), 0.25)]);
        let expected = [
            ("train/loss", 0.75),
            ("validation/nll", f32::INFINITY),
            ("learning_rate", 0.5),
            ("gradient_norm", 3.0),
        ];
        assert_eq!(scalars(&found[3]), expected.map(|(name, value)| (name.to_owned(), value)));
    }
}
