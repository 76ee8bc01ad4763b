//! A read-only view of the objects in a checkpoint.

use super::Checkpoint;
use super::array::Array;
use super::values::{Id, Node};
use crate::Result;
use std::fmt;

/// An object of a [`Checkpoint`]: a tensor, number, string, dict, list, or an object of an unknown
/// class.
///
/// Classes and functions are never run. An object that they would have created has only its class
/// name, the arguments of the call, and attributes.
///
/// Example: reading what else a PyTorch run needs to resume:
///
/// ```no_run
/// use mbls_io::checkpoint::Checkpoint;
///
/// let checkpoint = Checkpoint::read("last.pth".as_ref())?;
/// let optimizer = checkpoint.root().get("optimizer").expect("an optimizer");
/// let group = optimizer.get("param_groups").and_then(|groups| groups.get(0));
/// let learning_rate = group.and_then(|group| group.get("lr")?.as_f64());
/// let state =
///     optimizer.get("state").and_then(|state| state.get(0)).expect("a first parameter");
/// let momentum = state.get("momentum_buffer").expect("a momentum").array()?;
/// # Ok::<(), mbls_io::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Value<'a> {
    checkpoint: &'a Checkpoint,
    id: Id,
}

/// The key that [`Value::get`] looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A string: a key of a dict or an attribute of an object.
    Name(&'a str),
    /// An integer: a key of a dict or an index into a list or tuple.
    Number(i64),
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl From<i64> for Key<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<'a> Value<'a> {
    pub(super) fn new(checkpoint: &'a Checkpoint, id: Id) -> Self {
        Self { checkpoint, id }
    }

    pub(super) fn id(&self) -> Id {
        self.id
    }

    fn node(&self) -> &'a Node {
        self.checkpoint.values.node(self.id)
    }

    /// Returns the entry of a dict, the item of a list or tuple, or the attribute of an object.
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<Self> {
        let id = match (self.node(), key.into()) {
            (Node::Object { state: Some(state), .. }, key) => {
                return Self::new(self.checkpoint, *state).entry(key);
            }
            (Node::Dict(_), key) => return self.entry(key),
            (Node::Tuple(items), Key::Number(number)) => {
                *items.get(usize::try_from(number).ok()?)?
            }
            (Node::List(items), Key::Number(number)) => {
                *items.get(usize::try_from(number).ok()?)?
            }
            _ => return None,
        };
        Some(Self::new(self.checkpoint, id))
    }

    fn entry(&self, key: Key) -> Option<Self> {
        let Node::Dict(entries) = self.node() else { return None };
        let matches = |id| match self.checkpoint.values.node(id) {
            Node::Str(text) => key == Key::Name(text),
            Node::Int(value) => key == Key::Number(*value),
            _ => false,
        };
        // A later entry replaces earlier ones with the same key.
        let found = entries.iter().rev().find(|(key, _)| matches(*key));
        found.map(|&(_, value)| Self::new(self.checkpoint, value))
    }

    /// Iterates over the entries of a dict, in order; empty for other types.
    pub fn entries(&self) -> impl Iterator<Item = (Self, Self)> + use<'a> {
        let checkpoint = self.checkpoint;
        let entries = match self.node() {
            Node::Dict(entries) => &entries[..],
            _ => &[],
        };
        entries
            .iter()
            .map(move |&(key, value)| (Self::new(checkpoint, key), Self::new(checkpoint, value)))
    }

    /// Iterates over the items of a list, set or tuple; empty for other types.
    pub fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let checkpoint = self.checkpoint;
        let items = match self.node() {
            Node::List(items) => &items[..],
            Node::Tuple(items) => &items[..],
            _ => &[],
        };
        items.iter().map(move |&item| Self::new(checkpoint, item))
    }

    /// Returns whether this is Python's `None`.
    pub fn is_none(&self) -> bool {
        matches!(self.node(), Node::None)
    }

    /// Returns the value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.node() {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the value of an integer of at most 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        self.checkpoint.values.int(self.id)
    }

    /// Returns the value of a float or an integer.
    pub fn as_f64(&self) -> Option<f64> {
        match self.node() {
            Node::Float(value) => Some(*value),
            Node::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// Returns the text of a string.
    pub fn as_str(&self) -> Option<&'a str> {
        self.checkpoint.values.str(self.id)
    }

    /// Returns the full name of a class or function, or of the class of an object:
    /// `torch.optim.sgd.SGD`.
    pub fn class(&self) -> Option<String> {
        self.checkpoint.values.maker(self.id)
    }

    /// Returns the arguments with which an object would have been created: a tuple.
    pub fn arguments(&self) -> Option<Self> {
        match self.node() {
            Node::Object { arguments, .. } => Some(Self::new(self.checkpoint, *arguments)),
            _ => None,
        }
    }

    /// Returns the state that an object would have been given: a dict of attributes, or whatever
    /// its class expects.
    pub fn state(&self) -> Option<Self> {
        match self.node() {
            Node::Object { state, .. } => state.map(|state| Self::new(self.checkpoint, state)),
            _ => None,
        }
    }

    /// Returns the content of a bytes object.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match self.node() {
            Node::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns whether this is a tensor.
    pub fn is_tensor(&self) -> bool {
        matches!(self.node(), Node::Tensor(_))
    }

    /// Returns the elements of a tensor.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) if this is not a tensor, or if its elements
    /// are complex or quantized.
    pub fn array(&self) -> Result<Array<'a>> {
        let &Node::Tensor(index) = self.node() else {
            return Err(self.checkpoint.error(format!("{self}, expected a tensor")));
        };
        let Checkpoint { values, file, .. } = self.checkpoint;
        let array = values.tensors[index as usize].read(values, self.checkpoint.limit(), file);
        array
            .map_err(|problem| self.checkpoint.error(format!("a tensor cannot be read: {problem}")))
    }
}

/// Formats a short description: `a dict of 3`, `0.1`.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.checkpoint.values.describe(self.id))
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
