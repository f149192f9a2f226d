//! Reads plain JSON straight into the engine's values.
//!
//! Whatever is not plain (escapes, numbers with a point, deep nesting, all that is no JSON) is left to
//! the crate's own reader: that token alone, or the whole text, whose words for an error are the operators'.

use regorus::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Well within what the crate's reader takes.
const DEEPEST: usize = 64;
/// Integers of more digits may not fit 64 bits.
const MOST_DIGITS: usize = 18;
/// Names of members that are kept: items of a list have the same ones.
const MOST_NAMES: usize = 16;

/// The value of a JSON text, as the crate reads it, or none where it is no JSON.
pub fn read(text: &str) -> Option<Value> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, names: Vec::new() };
    let value = reader.value(0).filter(|_| reader.next() == None);
    match value {
        Some(value) => Some(value),
        None => Value::from_json_str(text).ok(),
    }
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    names: Vec<Arc<str>>,
}

impl<'t> Reader<'t> {
    /// The next byte that is no white space, not taken.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.next()? {
            b'"' => Some(Value::String(self.string()?)),
            b'{' if depth < DEEPEST => self.object(depth),
            b'[' if depth < DEEPEST => self.array(depth),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end)? != word.as_bytes() {
            return None;
        }
        self.at = end;
        Some(value)
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let negative = self.bytes[start] == b'-';
        self.at += usize::from(negative);
        let first = self.at;
        let mut whole: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - first;
        let fraction = matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E'));
        let leading_zero = self.bytes.get(first) == Some(&b'0') && (digits > 1 || negative);
        if !fraction && !leading_zero && (1..=MOST_DIGITS).contains(&digits) {
            return Some(match negative {
                true => Value::from(-(whole as i64)),
                false => Value::from(whole),
            });
        }
        while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = self.bytes.get(self.at) {
            self.at += 1;
        }
        Value::from_json_str(self.text.get(start..self.at)?).ok()
    }

    /// The name of a member. Names that come again share their text.
    fn name(&mut self) -> Option<Arc<str>> {
        let rest = self.bytes.get(self.at + 1..)?;
        let known = self.names.iter().find(|name| {
            rest.get(name.len()) == Some(&b'"') && rest.starts_with(name.as_bytes())
        });
        if let Some(name) = known {
            self.at += name.len() + 2;
            return Some(name.clone());
        }
        let start = self.at;
        let name = self.string()?;
        // Not one with an escape, which is written otherwise.
        if self.names.len() < MOST_NAMES && self.at - start == name.len() + 2 {
            self.names.push(name.clone());
        }
        Some(name)
    }

    fn string(&mut self) -> Option<Arc<str>> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => return self.escaped(start),
                0..=31 => return None,
                _ => self.at += 1,
            }
        }
        let text = self.text.get(start + 1..self.at)?;
        self.at += 1;
        Some(text.into())
    }

    /// A string with an escape in it, from its opening quotation mark.
    fn escaped(&mut self, start: usize) -> Option<Arc<str>> {
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        match Value::from_json_str(self.text.get(start..self.at)?) {
            Ok(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut items = Vec::new();
        if self.next()? != b']' {
            loop {
                items.push(self.value(depth + 1)?);
                match self.next()? {
                    b',' => self.at += 1,
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.at += 1;
        Some(Value::from(items))
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut members = BTreeMap::new();
        if self.next()? != b'}' {
            loop {
                if self.next()? != b'"' {
                    return None;
                }
                let key = self.name()?;
                // A member of this name can stand for a number.
                if key.starts_with("$serde_json") || self.next()? != b':' {
                    return None;
                }
                self.at += 1;
                let value = self.value(depth + 1)?;
                members.insert(Value::String(key), value);
                match self.next()? {
                    b',' => self.at += 1,
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        self.at += 1;
        Some(Value::from(members))
    }
}
