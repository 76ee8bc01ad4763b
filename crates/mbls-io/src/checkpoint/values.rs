//! The objects of a checkpoint in one arena: a shared object is stored once and referred to by its
//! number.

use super::view::{StorageRef, TensorRef};
use std::ops::Range;

/// The result of a parser; the error text becomes [`Error::Checkpoint`](crate::Error::Checkpoint),
/// with the name of the file.
pub(super) type Parsed<T> = Result<T, String>;

/// The number of an object in the arena.
pub(super) type Id = u32;

/// The maximum number of objects of a checkpoint, and of entries that its containers may copy from
/// each other.
pub(super) const MAX_VALUES: usize = 1 << 22;

#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, little-endian.
    Big(Box<[u8]>),
    Float(f64),
    Str(Box<str>),
    Bytes(Box<[u8]>),
    Tuple(Box<[Id]>),
    /// A list or a set.
    List(Vec<Id>),
    /// The entries in order; a later entry replaces earlier ones with the same key.
    Dict(Vec<(Id, Id)>),
    /// The name of a class or function, which is never resolved: two strings.
    Global {
        module: Id,
        name: Id,
    },
    /// An object of an unknown class or function, the arguments of its creation, and its attributes.
    Object {
        of: Id,
        arguments: Id,
        state: Option<Id>,
    },
    /// An index into [`Values::storages`].
    Storage(u32),
    /// An index into [`Values::tensors`].
    Tensor(u32),
}

#[derive(Debug)]
pub(super) struct Values {
    nodes: Vec<Node>,
    pub(super) storages: Vec<StorageRef>,
    pub(super) tensors: Vec<TensorRef>,
    copied: usize,
}

impl Values {
    pub(super) const NONE: Id = 0;
    pub(super) const FALSE: Id = 1;
    pub(super) const TRUE: Id = 2;
    pub(super) const EMPTY_TUPLE: Id = 3;

    pub(super) fn new() -> Self {
        let nodes =
            vec![Node::None, Node::Bool(false), Node::Bool(true), Node::Tuple(Box::default())];
        Self { nodes, storages: Vec::new(), tensors: Vec::new(), copied: 0 }
    }

    pub(super) fn add(&mut self, node: Node) -> Parsed<Id> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} objects"));
        }
        self.nodes.push(node);
        Ok((self.nodes.len() - 1) as Id)
    }

    /// Adds a storage as an object.
    pub(super) fn add_storage(&mut self, storage: StorageRef) -> Parsed<Id> {
        let id = self.add(Node::Storage(self.storages.len() as u32))?;
        self.storages.push(storage);
        Ok(id)
    }

    /// Adds a tensor as an object.
    pub(super) fn add_tensor(&mut self, tensor: TensorRef) -> Parsed<Id> {
        let id = self.add(Node::Tensor(self.tensors.len() as u32))?;
        self.tensors.push(tensor);
        Ok(id)
    }

    /// Counts entries that a container copies from another, because a short program can repeat such
    /// copies without end.
    pub(super) fn count_copied(&mut self, entries: usize) -> Parsed<()> {
        self.copied = self.copied.saturating_add(entries);
        if self.copied > MAX_VALUES {
            return Err(format!("containers copy more than {MAX_VALUES} entries from one another"));
        }
        Ok(())
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        // Ids are only created by `add`.
        &self.nodes[id as usize]
    }

    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    pub(super) fn str(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn int(&self, id: Id) -> Option<i64> {
        match self.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn index(&self, id: Id) -> Option<usize> {
        self.int(id).and_then(|value| usize::try_from(value).ok())
    }

    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the module and name of a class or function.
    pub(super) fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.node(id) {
            Node::Global { module, name } => Some((self.str(*module)?, self.str(*name)?)),
            _ => None,
        }
    }

    /// Returns the full Python name of a class or function, or of the one that created an object.
    pub(super) fn maker(&self, id: Id) -> Option<String> {
        let named = match self.node(id) {
            Node::Object { of, .. } => *of,
            _ => id,
        };
        self.global(named).map(|(module, name)| format!("{module}.{name}"))
    }

    /// Describes an object for messages.
    pub(super) fn describe(&self, id: Id) -> String {
        match self.node(id) {
            Node::None => "None".into(),
            Node::Bool(value) => value.to_string(),
            Node::Int(value) => value.to_string(),
            Node::Big(bytes) => format!("an integer of {} bytes", bytes.len()),
            Node::Float(value) => value.to_string(),
            Node::Str(text) => format!("{:?}", shortened(text)),
            Node::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Node::Tuple(items) => format!("a tuple of {}", items.len()),
            Node::List(items) => format!("a list of {}", items.len()),
            Node::Dict(items) => format!("a dict of {}", items.len()),
            Node::Global { .. } => {
                format!("the name {}", shortened(&self.maker(id).unwrap_or_default()))
            }
            Node::Object { .. } => match self.maker(id) {
                Some(maker) => format!("an object made by {}, which is not run", shortened(&maker)),
                None => "an object of an unknown class".into(),
            },
            Node::Storage(_) => "a storage".into(),
            Node::Tensor(_) => "a tensor".into(),
        }
    }

    /// Sets the byte range of every storage, then checks every tensor against its storage and the
    /// limit of `limit` bytes.
    pub(super) fn locate(
        &mut self,
        limit: usize,
        mut bytes_of: impl FnMut(&str) -> Parsed<Range<usize>>,
    ) -> Parsed<()> {
        let mut storages = std::mem::take(&mut self.storages);
        for storage in &mut storages {
            let key = self.str(storage.key).unwrap_or_default();
            storage.locate(key, bytes_of(key)?)?;
        }
        self.storages = storages;
        self.tensors.iter().try_for_each(|tensor| tensor.layout(self, limit).map(drop))
    }
}

/// Returns the first characters of a possibly long text.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into(),
    }
}
