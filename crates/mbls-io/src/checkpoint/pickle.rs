//! The subset of Python's pickle format, protocols 2 to 5, that `torch.save` produces.
//!
//! A pickle is a program for a machine with a stack and a memo. This implementation only builds
//! data: names of classes and functions are kept as text, and [`globals`](super::globals) defines
//! the result of calling them, which runs no code.

use super::globals;
use super::values::{Id, MAX_VALUES, Node, Parsed, Values};
use std::collections::HashMap;

/// Reads the pickle that begins at `start` and returns its object and the position after it.
pub(super) fn read(bytes: &[u8], start: usize, values: &mut Values) -> Parsed<(Id, usize)> {
    let mut machine = Machine {
        bytes,
        at: start,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        values,
    };
    loop {
        let at = machine.at;
        let opcode = machine
            .byte()
            .map_err(|_| format!("the pickle that begins at byte {start} has no end"))?;
        match machine.step(opcode) {
            Ok(None) => {}
            Ok(Some(object)) => return Ok((object, machine.at)),
            Err(problem) => {
                return Err(format!("pickle opcode {} at byte {at}: {problem}", name(opcode)));
            }
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Id>,
    /// Stack heights at the marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    values: &'a mut Values,
}

impl<'a> Machine<'a> {
    /// Runs one opcode; returns the object if it is the last opcode.
    fn step(&mut self, opcode: u8) -> Parsed<Option<Id>> {
        match opcode {
            b'\x80' => match self.byte()? {
                2..=5 => {}
                other => return Err(format!("protocol {other}, expected 2 to 5")),
            },
            // A frame is only a hint for how much to read at once.
            b'\x95' => {
                let length = self.u64()?;
                if length > (self.bytes.len() - self.at) as u64 {
                    return Err(format!("a frame of {length} bytes goes beyond the end"));
                }
            }
            b'.' => return self.pop().map(Some),
            b'N' => self.stack.push(Values::NONE),
            b'\x88' => self.stack.push(Values::TRUE),
            b'\x89' => self.stack.push(Values::FALSE),
            b'J' => self.push_int(|m| Ok(i32::from_le_bytes(m.array()?).into()))?,
            b'K' => self.push_int(|m| Ok(m.byte()?.into()))?,
            b'M' => self.push_int(|m| Ok(u16::from_le_bytes(m.array()?).into()))?,
            b'\x8a' => {
                let length = self.byte()?;
                self.push_long(length.into())?;
            }
            b'\x8b' => {
                let length = self.u32()?;
                self.push_long(length.into())?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(Node::Float(value))?;
            }
            b'X' => self.push_text(|m| m.u32().map(u64::from))?,
            b'\x8c' => self.push_text(|m| m.byte().map(u64::from))?,
            b'\x8d' => self.push_text(Self::u64)?,
            // Strings of Python 2, which were bytes.
            b'U' | b'T' => {
                let length = if opcode == b'U' { self.byte()?.into() } else { self.u32()?.into() };
                let bytes = self.take(length)?;
                let node = std::str::from_utf8(bytes)
                    .map_or(Node::Bytes(bytes.into()), |text| Node::Str(text.into()));
                self.push(node)?;
            }
            b'C' => self.push_bytes(|m| m.byte().map(u64::from))?,
            b'B' => self.push_bytes(|m| m.u32().map(u64::from))?,
            b'\x8e' | b'\x96' => self.push_bytes(Self::u64)?,
            b')' => self.stack.push(Values::EMPTY_TUPLE),
            b'\x85' => self.push_tuple(1)?,
            b'\x86' => self.push_tuple(2)?,
            b'\x87' => self.push_tuple(3)?,
            b't' => {
                let items = self.pop_marked()?;
                self.push(Node::Tuple(items.into()))?;
            }
            b']' | b'\x8f' => self.push(Node::List(Vec::new()))?,
            b'\x91' => {
                let items = self.pop_marked()?;
                self.push(Node::List(items))?;
            }
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' | b'\x90' => {
                let items = self.pop_marked()?;
                self.append(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_marked()?;
                self.set_items(&items)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => match self.marks.last() {
                Some(&mark) if mark == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            b'1' => drop(self.pop_marked()?),
            b'2' => self.stack.push(self.top()?),
            b'q' => {
                let index = self.byte()?;
                self.memoize(index.into())?;
            }
            b'r' => {
                let index = self.u32()?;
                self.memoize(index)?;
            }
            b'\x94' => self.memoize(self.memo.len() as u32)?,
            b'h' => {
                let index = self.byte()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = self.u32()?;
                self.recall(index)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let module = self.values.add(Node::Str(module.into()))?;
                let name = self.values.add(Node::Str(name.into()))?;
                self.push(Node::Global { module, name })?;
            }
            b'\x93' => {
                let (name, module) = (self.pop()?, self.pop()?);
                if self.values.str(module).is_none() || self.values.str(name).is_none() {
                    return Err("the name of a class is not a string".into());
                }
                self.push(Node::Global { module, name })?;
            }
            b'Q' => {
                let id = self.pop()?;
                let object = globals::persistent(self.values, id)?;
                self.stack.push(object);
            }
            b'R' | b'\x81' | b'\x92' => {
                if opcode == b'\x92' {
                    // Keyword arguments of calls that are not made.
                    self.pop()?;
                }
                let (arguments, callable) = (self.pop()?, self.pop()?);
                let object = globals::call(self.values, callable, arguments)?;
                self.stack.push(object);
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                // Attributes of known objects, such as `_metadata` of an OrderedDict, do not affect
                // tensors.
                if let Node::Object { state: old, .. } = self.values.node_mut(object) {
                    *old = Some(state);
                }
            }
            _ => return Err("torch.save does not produce it".into()),
        }
        Ok(None)
    }

    fn push(&mut self, node: Node) -> Parsed<()> {
        let id = self.values.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    fn push_int(&mut self, read: impl FnOnce(&mut Self) -> Parsed<i64>) -> Parsed<()> {
        let value = read(self)?;
        self.push(Node::Int(value))
    }

    fn push_long(&mut self, length: u64) -> Parsed<()> {
        let bytes = self.take(length)?;
        if bytes.len() > 8 {
            return self.push(Node::Big(bytes.into()));
        }
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut all = [if negative { 0xff } else { 0 }; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        self.push(Node::Int(i64::from_le_bytes(all)))
    }

    fn push_text(&mut self, length: impl FnOnce(&mut Self) -> Parsed<u64>) -> Parsed<()> {
        let length = length(self)?;
        let text = std::str::from_utf8(self.take(length)?)
            .map_err(|e| format!("a text that is not UTF-8: {e}"))?;
        self.push(Node::Str(text.into()))
    }

    fn push_bytes(&mut self, length: impl FnOnce(&mut Self) -> Parsed<u64>) -> Parsed<()> {
        let length = length(self)?;
        let bytes = self.take(length)?.into();
        self.push(Node::Bytes(bytes))
    }

    fn push_tuple(&mut self, length: usize) -> Parsed<()> {
        if self.stack.len() - self.floor() < length {
            return Err("the stack is empty".into());
        }
        let items = self.stack.split_off(self.stack.len() - length);
        self.push(Node::Tuple(items.into()))
    }

    /// Returns the stack height at the last mark; nothing below it may be popped.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Parsed<Id> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => Err("the stack is empty".into()),
        }
    }

    fn pop(&mut self) -> Parsed<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    /// Pops everything pushed since the last mark.
    fn pop_marked(&mut self) -> Parsed<Vec<Id>> {
        let mark = self.marks.pop().ok_or("no mark on the stack")?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: &[Id]) -> Parsed<()> {
        let target = self.top()?;
        match self.values.node_mut(target) {
            Node::List(list) => list.extend_from_slice(items),
            Node::Object { .. } => {}
            _ => return Err(format!("{} is not a list", self.values.describe(target))),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Parsed<()> {
        let target = self.top()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err("a key without a value".into());
        };
        match self.values.node_mut(target) {
            Node::Dict(entries) => entries.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Node::Object { .. } => {}
            _ => return Err(format!("{} is not a dict", self.values.describe(target))),
        }
        Ok(())
    }

    fn memoize(&mut self, index: u32) -> Parsed<()> {
        let id = self.top()?;
        if self.memo.len() >= MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} objects in the memo"));
        }
        self.memo.insert(index, id);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Parsed<()> {
        let id = self.memo.get(&index).ok_or_else(|| format!("the memo has no entry {index}"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn take(&mut self, length: u64) -> Parsed<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let taken =
            taken.ok_or_else(|| format!("{length} bytes expected, {} are left", rest.len()))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let bytes = self.take(N as u64)?;
        bytes.try_into().map_err(|_| format!("{N} bytes expected"))
    }

    fn byte(&mut self) -> Parsed<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Parsed<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Parsed<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn line(&mut self) -> Parsed<&'a str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end =
            rest.iter().position(|&byte| byte == b'\n').ok_or("the name of a class has no end")?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end])
            .map_err(|e| format!("the name of a class is not UTF-8: {e}"))
    }
}

/// Returns the name of an opcode as in Python's `pickletools`, or its number.
fn name(opcode: u8) -> String {
    let name = match opcode {
        b'\x80' => "PROTO",
        b'\x95' => "FRAME",
        b'.' => "STOP",
        b'J' => "BININT",
        b'K' => "BININT1",
        b'M' => "BININT2",
        b'\x8a' => "LONG1",
        b'\x8b' => "LONG4",
        b'G' => "BINFLOAT",
        b'X' => "BINUNICODE",
        b'\x8c' => "SHORT_BINUNICODE",
        b'\x8d' => "BINUNICODE8",
        b'T' => "BINSTRING",
        b'U' => "SHORT_BINSTRING",
        b'B' => "BINBYTES",
        b'C' => "SHORT_BINBYTES",
        b'\x8e' => "BINBYTES8",
        b'\x96' => "BYTEARRAY8",
        b'\x85' => "TUPLE1",
        b'\x86' => "TUPLE2",
        b'\x87' => "TUPLE3",
        b't' => "TUPLE",
        b'\x91' => "FROZENSET",
        b'a' => "APPEND",
        b'e' => "APPENDS",
        b'\x90' => "ADDITEMS",
        b's' => "SETITEM",
        b'u' => "SETITEMS",
        b'0' => "POP",
        b'1' => "POP_MARK",
        b'2' => "DUP",
        b'q' => "BINPUT",
        b'r' => "LONG_BINPUT",
        b'\x94' => "MEMOIZE",
        b'h' => "BINGET",
        b'j' => "LONG_BINGET",
        b'c' => "GLOBAL",
        b'\x93' => "STACK_GLOBAL",
        b'Q' => "BINPERSID",
        b'R' => "REDUCE",
        b'\x81' => "NEWOBJ",
        b'\x92' => "NEWOBJ_EX",
        b'b' => "BUILD",
        b'i' => "INST",
        b'o' => "OBJ",
        b'P' => "PERSID",
        b'I' => "INT",
        b'L' => "LONG",
        b'F' => "FLOAT",
        b'S' => "STRING",
        b'V' => "UNICODE",
        b'g' => "GET",
        b'p' => "PUT",
        b'l' => "LIST",
        b'd' => "DICT",
        b'\x82'..=b'\x84' => "EXT",
        b'\x97' => "NEXT_BUFFER",
        b'\x98' => "READONLY_BUFFER",
        _ => return format!("0x{opcode:02x}"),
    };
    name.into()
}
