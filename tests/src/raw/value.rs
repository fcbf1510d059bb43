//! Texts and field values as transcripts write them.
//!
//! A text is a word, or in quotes with `\xNN` for what can't be seen. A value is a letter for its
//! type, a colon, and the value: `I:5`, `S:text`, `F:{name=t:1}`, `A:[S:one,V:]`, `D:2/100`, and
//! the bits of floating numbers in hexadecimal.

use super::bytes::{longstr, shortstr};

/// What is still to be read of a line.
#[derive(Debug)]
pub(super) struct Text<'t>(pub(super) &'t str);

impl<'t> Text<'t> {
    pub(super) fn skip(&mut self, expected: char) -> bool {
        match self.0.strip_prefix(expected) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn expect(&mut self, expected: char) {
        assert!(self.skip(expected), "'{expected}' is missing before '{}'", self.0);
    }

    /// Letters, digits, and what names are made of.
    pub(super) fn word(&mut self) -> &'t str {
        let ends = |c: char| c.is_whitespace() || "=,:{}[]\"".contains(c);
        let end = self.0.find(ends).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word
    }

    pub(super) fn number<N: std::str::FromStr>(&mut self) -> N {
        let word = self.word();
        word.parse().unwrap_or_else(|_| panic!("'{word}' is no number that fits"))
    }

    pub(super) fn string(&mut self) -> Vec<u8> {
        if !self.0.starts_with('"') {
            return self.word().as_bytes().to_vec();
        }
        let (quoted, rest) = self.0[1..].split_once('"').expect("quotes are closed");
        self.0 = rest;
        let mut bytes = Vec::new();
        let mut parts = quoted.split("\\x");
        bytes.extend(parts.next().unwrap_or_default().bytes());
        for part in parts {
            let (hex, rest) = part.split_at(2);
            bytes.push(u8::from_str_radix(hex, 16).expect("two hexadecimal digits"));
            bytes.extend(rest.bytes());
        }
        bytes
    }

    /// `{name=value,..}`, as the bytes of a whole table.
    pub(super) fn table(&mut self) -> Vec<u8> {
        let mut fields = Vec::new();
        self.expect('{');
        while !self.skip('}') {
            fields.extend(shortstr(self.string()));
            self.expect('=');
            fields.extend(self.value());
            self.skip(',');
        }
        longstr(fields)
    }

    fn array(&mut self) -> Vec<u8> {
        let mut values = Vec::new();
        self.expect('[');
        while !self.skip(']') {
            values.extend(self.value());
            self.skip(',');
        }
        longstr(values)
    }

    /// A value with the letter of its type before it.
    fn value(&mut self) -> Vec<u8> {
        let kind = self.word();
        self.expect(':');
        let bytes = match kind {
            "t" | "B" => self.number::<u8>().to_be_bytes().to_vec(),
            "b" => self.number::<i8>().to_be_bytes().to_vec(),
            "s" => self.number::<i16>().to_be_bytes().to_vec(),
            "u" => self.number::<u16>().to_be_bytes().to_vec(),
            "I" => self.number::<i32>().to_be_bytes().to_vec(),
            "i" => self.number::<u32>().to_be_bytes().to_vec(),
            "l" | "L" => self.number::<i64>().to_be_bytes().to_vec(),
            "T" => self.number::<u64>().to_be_bytes().to_vec(),
            "f" | "d" => hex(self.word()),
            "D" => self.decimal(),
            "S" | "x" => longstr(self.string()),
            "F" => self.table(),
            "A" => self.array(),
            "V" => Vec::new(),
            other => panic!("no type of values is called '{other}'"),
        };
        [kind.as_bytes(), &bytes].concat()
    }

    fn decimal(&mut self) -> Vec<u8> {
        let (scale, value) = self.word().split_once('/').expect("scale/value");
        let scale: u8 = scale.parse().expect("a scale");
        let value: i32 = value.parse().expect("a value");
        [&[scale][..], &value.to_be_bytes()].concat()
    }
}

/// Bytes written in hexadecimal.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect::<Option<_>>().expect("hexadecimal digits in pairs")
}

/// What is still to be read of some bytes.
#[derive(Debug)]
pub(super) struct Bytes<'b>(pub(super) &'b [u8]);

impl<'b> Bytes<'b> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn short_string(&mut self) -> Option<&'b [u8]> {
        let [length] = self.array()?;
        self.take(length.into())
    }

    pub(super) fn long_string(&mut self) -> Option<&'b [u8]> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(length).ok()?)
    }

    /// A whole table, as transcripts write it; `each` may change what is written for a field.
    pub(super) fn table(&mut self, each: &dyn Fn(&[u8], String) -> String) -> Option<String> {
        let mut fields = Bytes(self.long_string()?);
        let mut written = Vec::new();
        while !fields.0.is_empty() {
            let name = fields.short_string()?;
            let value = each(name, fields.value(each)?);
            written.push(format!("{}={value}", write_string(name)));
        }
        Some(format!("{{{}}}", written.join(",")))
    }

    fn value(&mut self, each: &dyn Fn(&[u8], String) -> String) -> Option<String> {
        let [kind] = self.array()?;
        let written = match kind {
            b't' | b'B' => u8::from_be_bytes(self.array()?).to_string(),
            b'b' => i8::from_be_bytes(self.array()?).to_string(),
            b's' => i16::from_be_bytes(self.array()?).to_string(),
            b'u' => u16::from_be_bytes(self.array()?).to_string(),
            b'I' => i32::from_be_bytes(self.array()?).to_string(),
            b'i' => u32::from_be_bytes(self.array()?).to_string(),
            b'l' | b'L' => i64::from_be_bytes(self.array()?).to_string(),
            b'T' => u64::from_be_bytes(self.array()?).to_string(),
            b'f' => write_hex(&self.array::<4>()?),
            b'd' => write_hex(&self.array::<8>()?),
            b'D' => {
                let [scale] = self.array()?;
                format!("{scale}/{}", i32::from_be_bytes(self.array()?))
            }
            b'S' | b'x' => write_string(self.long_string()?),
            b'F' => self.table(each)?,
            b'A' => {
                let mut values = Bytes(self.long_string()?);
                let mut written = Vec::new();
                while !values.0.is_empty() {
                    written.push(values.value(each)?);
                }
                format!("[{}]", written.join(","))
            }
            b'V' => String::new(),
            _ => return None,
        };
        Some(format!("{}:{written}", char::from(kind)))
    }
}

/// A word as it is, anything else in quotes.
pub(super) fn write_string(bytes: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_*/#&@".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut written = String::from("\"");
    for byte in bytes {
        match byte {
            b' '..=b'~' if !b"\"\\".contains(byte) => written.push(char::from(*byte)),
            _ => written.push_str(&format!("\\x{byte:02x}")),
        }
    }
    written.push('"');
    written
}

fn write_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_written_as_it_is_read() {
        let text = "{a=t:1,\"b c\"=S:\"x \\x00\\x22\",c=F:{d=A:[I:-5,V:,l:7]},e=D:2/100,\
                    f=d:7ff8000000000001}";
        let bytes = Text(text).table();
        let written = Bytes(&bytes).table(&|_, value| value);
        assert_eq!(written.as_deref(), Some(text));
    }
}
