//! Which topics a pattern means: Redis' globs, byte for byte as its `stringmatchlen` takes them. Translated into a regular
//! expression of bytes, so that no pattern takes longer than its length times the topic's.

use crate::error::TopicError;
use regex::bytes::{Regex, RegexBuilder};
use std::fmt::Write;

/// The longest pattern, in bytes: so that every topic can be written with each of its bytes escaped, and in classes.
pub(crate) const PATTERN_MAX: usize = 1024;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    /// The bytes that every topic it matches begins with: most topics are told by them.
    prefix: Vec<u8>,
    regex: Regex,
}

impl Glob {
    /// Every sequence of bytes means something, as in Redis; refused are those that are too long, empty, or hold NUL, which no
    /// topic does.
    pub fn new(pattern: &str) -> Result<Glob, TopicError> {
        let bytes = pattern.as_bytes();
        if !(1..=PATTERN_MAX).contains(&bytes.len()) || bytes.contains(&0) {
            return Err(TopicError::InvalidPattern { len: bytes.len() });
        }
        let (mut prefix, mut text, mut is_literal) = (Vec::new(), String::from(r"\A"), true);
        for part in Parts(bytes) {
            match part {
                Part::Byte(byte) if is_literal => prefix.push(byte),
                _ => is_literal = false,
            }
            part.write(&mut text);
        }
        text.push_str(r"\z");
        let regex = RegexBuilder::new(&text).unicode(false).dot_matches_new_line(true).build();
        // Only its size could be refused, and that is bounded by the pattern's.
        let regex = regex.map_err(|_| TopicError::InvalidPattern { len: bytes.len() })?;
        Ok(Glob { prefix, regex })
    }

    pub fn matches(&self, topic: &[u8]) -> bool {
        topic.starts_with(&self.prefix) && self.regex.is_match(topic)
    }
}

/// What a pattern is made of.
enum Part {
    /// `*`
    Any,
    /// `?`
    One,
    Byte(u8),
    /// One of these bytes.
    Class(Box<[bool; 256]>),
}

impl Part {
    fn write(&self, text: &mut String) {
        // A string takes whatever is written to it.
        let _ = match self {
            Part::Any => text.write_str(".*"),
            Part::One => text.write_char('.'),
            Part::Byte(byte) => write!(text, r"\x{byte:02x}"),
            Part::Class(bytes) => {
                // Of no byte: matches nothing.
                let mut class = String::new();
                let mut at = 0;
                while let Some(first) = (at..256).find(|byte| bytes[*byte]) {
                    at = (first..256).find(|byte| !bytes[*byte]).unwrap_or(256);
                    let _ = write!(class, r"\x{first:02x}-\x{:02x}", at - 1);
                }
                if class.is_empty() { text.write_str(r"[^\x00-\xff]") } else { write!(text, "[{class}]") }
            }
        };
    }
}

/// The parts of a pattern: what is left of it.
struct Parts<'a>(&'a [u8]);

impl Parts<'_> {
    fn take(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// Behind `[`. One that is not closed ends with the pattern. `]` closes it even as the first, `\` escapes, and in a range
    /// whichever is greater may come first and `]` may be its end.
    fn class(&mut self) -> Box<[bool; 256]> {
        let mut bytes = Box::new([false; 256]);
        let is_not = self.0.first() == Some(&b'^');
        if is_not {
            self.take();
        }
        loop {
            match *self.0 {
                [b'\\', escaped, ..] => {
                    bytes[escaped as usize] = true;
                    self.0 = &self.0[2..];
                }
                [] => break,
                [b']', ..] => {
                    self.take();
                    break;
                }
                [a, b'-', b, ..] => {
                    bytes[a.min(b) as usize..=a.max(b) as usize].fill(true);
                    self.0 = &self.0[3..];
                }
                [byte, ..] => {
                    bytes[byte as usize] = true;
                    self.take();
                }
            }
        }
        bytes.iter_mut().for_each(|is_in| *is_in ^= is_not);
        bytes
    }
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        Some(match self.take()? {
            b'*' => {
                while self.0.first() == Some(&b'*') {
                    self.take();
                }
                Part::Any
            }
            b'?' => Part::One,
            b'[' => Part::Class(self.class()),
            // At the very end it means itself.
            b'\\' => Part::Byte(self.take().unwrap_or(b'\\')),
            byte => Part::Byte(byte),
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn matches(pattern: &str, topic: &str) -> bool {
        Glob::new(pattern).expect("a pattern").matches(topic.as_bytes())
    }

    /// What tests/node/globs.test.js asks of Redis itself, in small.
    #[test]
    fn a_glob_means_what_it_means_in_redis() {
        for (pattern, topic) in [
            ("*", "a"),
            ("room:*", "room:"),
            ("room:*:in", "room:1:2:in"),
            ("h?llo", "hello"),
            ("h??", "hé"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-c]llo", "hbllo"),
            ("h[c-a]llo", "hbllo"),
            (r"h\[a\]", "h[a]"),
            (r"h[\]]", "h]"),
            ("h[ab", "hb"),
            (r"h\", r"h\"),
            ("a*b", "a\nb"),
        ] {
            assert!(matches(pattern, topic), "{pattern} does not match {topic}");
        }
        for (pattern, topic) in [
            ("room:*", "rooms:1"),
            ("h?llo", "hllo"),
            ("h?", "hé"),
            ("h[^e]llo", "hello"),
            ("h[]a]", "ha"),
            ("h[!a]", "hb"),
            ("a.c", "abc"),
            ("a", "aa"),
            ("A", "a"),
            (r"\*", "a"),
        ] {
            assert!(!matches(pattern, topic), "{pattern} matches {topic}");
        }
    }

    #[test]
    fn a_pattern_that_goes_back_and_forth_takes_no_longer() {
        // Redis before 7 took hours.
        let (pattern, topic) = ("*a".repeat(120) + "*b", "a".repeat(255));
        assert!(!matches(&pattern, &topic));
    }

    #[test]
    fn the_longest_pattern_is_one_of_classes() {
        let pattern = "[^a]".repeat(PATTERN_MAX / 4);
        assert!(Glob::new(&pattern).is_ok());
        for refused in ["", "a\0b", &format!("{pattern}a")] {
            assert!(matches!(Glob::new(refused), Err(TopicError::InvalidPattern { .. })), "{refused:?}");
        }
    }
}
