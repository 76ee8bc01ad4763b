//! Hand-written files: pickles, zip archives and the older container.

/// The opcodes that the tests write.
#[derive(Clone, Default)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(crate) fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.op(b"X").op(&(text.len() as u32).to_le_bytes()).op(text.as_bytes())
    }

    pub(crate) fn int(self, value: i64) -> Self {
        self.op(&[0x8a, 8]).op(&value.to_le_bytes())
    }

    pub(crate) fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.op(b"("), |pickle, &value| pickle.int(value)).op(b"t")
    }

    /// Appends a storage of floats.
    pub(crate) fn storage(self, key: &str, length: i64) -> Self {
        self.op(b"(")
            .text("storage")
            .op(b"ctorch\nFloatStorage\n")
            .text(key)
            .text("cpu")
            .int(length)
            .op(b"tQ")
    }

    /// Appends a tensor of floats.
    pub(crate) fn tensor(
        self,
        key: &str,
        length: i64,
        offset: i64,
        shape: &[i64],
        stride: &[i64],
    ) -> Self {
        let call =
            self.op(b"ctorch._utils\n_rebuild_tensor_v2\n(").storage(key, length).int(offset);
        call.ints(shape).ints(stride).op(b"\x89ccollections\nOrderedDict\n)RtR")
    }

    /// Returns a dict with this one tensor, including its end.
    pub(crate) fn dict_of_tensor(
        length: i64,
        offset: i64,
        shape: &[i64],
        stride: &[i64],
    ) -> Vec<u8> {
        Self::new().op(b"}").text("w").tensor("0", length, offset, shape, stride).op(b"s.").0
    }
}

/// Returns a checksum as in zip archives.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// An entry of a zip archive, whose header fields may be wrong.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) size: u32,
    pub(crate) compression: u16,
    pub(crate) crc: u32,
}

impl Entry {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            size: bytes.len() as u32,
            compression: 0,
            crc: crc(bytes),
        }
    }
}

/// Returns a zip archive of these entries.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let at = file.len() as u32;
        let mut common = Vec::new();
        for field in [20, 0, entry.compression, 0, 0] {
            common.extend_from_slice(&u16::to_le_bytes(field));
        }
        for field in [entry.crc, entry.size, entry.size] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        common.extend_from_slice(&(entry.name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&common);
        file.extend_from_slice(entry.name.as_bytes());
        file.extend_from_slice(&entry.bytes);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(entry.name.as_bytes());
    }
    let start = file.len() as u32;
    let count = entries.len() as u16;
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&count.to_le_bytes());
    file.extend_from_slice(&count.to_le_bytes());
    file.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    file.extend_from_slice(&start.to_le_bytes());
    file.extend_from_slice(&[0, 0]);
    file
}

/// Returns six floats, 0 to 5.
pub(crate) fn six() -> Vec<u8> {
    (0..6u8).flat_map(|i| f32::from(i).to_le_bytes()).collect()
}

/// Returns the entries of a torch.save file with this pickle and a storage "0" of [`six`] floats.
pub(crate) fn entries(pickle: &[u8]) -> Vec<Entry> {
    vec![
        Entry::new("a/data.pkl", pickle),
        Entry::new("a/byteorder", b"little"),
        Entry::new("a/data/0", &six()),
    ]
}

/// Returns the same as one file.
pub(crate) fn archive(pickle: &[u8]) -> Vec<u8> {
    zip(&entries(pickle))
}

/// Returns the same in the older container.
pub(crate) fn legacy(pickle: &[u8]) -> Vec<u8> {
    let magic = Pickle::new().op(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
    let version = Pickle::new().int(1001).op(b".");
    let machine = Pickle::new().op(b"}").text("little_endian").op(b"\x88s.");
    let keys = Pickle::new().op(b"]").text("0").op(b"a.");
    [magic.0, version.0, machine.0, pickle.to_vec(), keys.0, 6i64.to_le_bytes().to_vec(), six()]
        .concat()
}
