//! Just enough of PyTorch's file format to read the checkpoints of the golden directory.

use candle_core::pickle::{Object, Stack};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// What a checkpoint holds, by path through its dictionaries and lists: `state_dict/fc.weight`,
/// `optimizer/state/0/momentum_buffer`, `optimizer/param_groups/0/lr`.
pub(crate) struct Checkpoint {
    pub(crate) tensors: BTreeMap<String, Tensor>,
    pub(crate) numbers: BTreeMap<String, f64>,
}

impl Checkpoint {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let entries = stored_entries(&bytes);
        let pickle = entries.keys().find(|name| name.ends_with("/data.pkl")).expect("data.pkl");
        let root = pickle.trim_end_matches(".pkl").to_string();
        let mut stack = Stack::empty();
        stack.read_loop(&mut &entries[pickle][..]).expect("a pickle");
        let mut checkpoint = Self { tensors: BTreeMap::new(), numbers: BTreeMap::new() };
        checkpoint.walk("", stack.finalize().expect("one object"), &root, &entries);
        checkpoint
    }

    fn walk(&mut self, path: &str, object: Object, root: &str, entries: &BTreeMap<String, &[u8]>) {
        match object {
            Object::Dict(items) => {
                for (key, value) in items {
                    let key = match key {
                        Object::Unicode(key) => key,
                        Object::Int(key) => key.to_string(),
                        other => panic!("{path}: key {other:?}"),
                    };
                    self.walk(&join(path, &key), value, root, entries);
                }
            }
            Object::List(items) => {
                for (i, item) in items.into_iter().enumerate() {
                    self.walk(&join(path, &i.to_string()), item, root, entries);
                }
            }
            Object::Int(value) => drop(self.numbers.insert(path.into(), f64::from(value))),
            Object::Float(value) => drop(self.numbers.insert(path.into(), value)),
            Object::Bool(value) => drop(self.numbers.insert(path.into(), f64::from(u8::from(value)))),
            object => {
                let info = object.into_tensor_info(Object::Unicode(path.into()), Path::new(root));
                if let Some(info) = info.unwrap_or_else(|e| panic!("{path}: {e}")) {
                    assert!(info.layout.is_contiguous() && info.layout.start_offset() == 0, "{path}: strided");
                    let size = info.layout.shape().elem_count() * info.dtype.size_in_bytes();
                    let bytes = &entries[&info.path][..size];
                    let tensor = Tensor::from_raw_buffer(bytes, info.dtype, info.layout.dims(), &Device::Cpu);
                    self.tensors.insert(path.into(), tensor.unwrap_or_else(|e| panic!("{path}: {e}")));
                }
            }
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}/{key}") }
}

/// The entries of a zip archive that are stored without compression, as PyTorch writes them.
fn stored_entries(zip: &[u8]) -> BTreeMap<String, &[u8]> {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([zip[at], zip[at + 1]]));
    let u32_at = |at: usize| u16_at(at) + (u16_at(at + 2) << 16);
    let end = (0..zip.len() - 21).rev().find(|&at| zip[at..].starts_with(b"PK\x05\x06")).expect("end of archive");
    let mut at = u32_at(end + 16);
    let mut entries = BTreeMap::new();
    for _ in 0..u16_at(end + 10) {
        assert!(zip[at..].starts_with(b"PK\x01\x02"), "central directory");
        let name_length = u16_at(at + 28);
        let name = String::from_utf8_lossy(&zip[at + 46..][..name_length]).into_owned();
        assert_eq!(u16_at(at + 10), 0, "{name} is compressed");
        let local = u32_at(at + 42);
        let data = local + 30 + u16_at(local + 26) + u16_at(local + 28);
        entries.insert(name, &zip[data..][..u32_at(at + 20)]);
        at += 46 + name_length + u16_at(at + 30) + u16_at(at + 32);
    }
    entries
}
