//! Globs: what the translation into a regular expression matches is what a table of all beginnings of pattern and topic says.

use crate::bus::inside::Glob;

/// The first byte says how long the pattern is; the rest is the topic.
pub fn run(data: &[u8]) {
    let Some((&len, rest)) = data.split_first() else { return };
    let (pattern, topic) = rest.split_at((len as usize).min(rest.len()));
    // Patterns are text, topics too; both are compared as bytes.
    let pattern = String::from_utf8_lossy(pattern);
    let is_one = (1..=1024).contains(&pattern.len()) && !pattern.contains('\0');
    match Glob::new(&pattern) {
        Ok(glob) => {
            assert!(is_one, "{pattern:?} was taken");
            let (says, is) = (glob.matches(topic), matches(pattern.as_bytes(), topic));
            assert_eq!(says, is, "pattern {pattern:?}, topic {topic:?}");
        }
        Err(_) => assert!(!is_one, "{pattern:?} was refused"),
    }
}

/// Whether a pattern matches all of a topic, going from the ends of both to their beginnings.
fn matches(pattern: &[u8], topic: &[u8]) -> bool {
    // Of each place in the pattern: whether what is left of it there matches what is left of the topic, place by place.
    let mut all = vec![vec![false; topic.len() + 1]; pattern.len() + 1];
    all[pattern.len()][topic.len()] = true;
    for at in (0..pattern.len()).rev() {
        for place in (0..=topic.len()).rev() {
            let byte = topic.get(place);
            let then = |next: usize| byte.is_some() && all[next][place + 1];
            all[at][place] = match pattern[at] {
                b'*' => all[at + 1][place] || (byte.is_some() && all[at][place + 1]),
                b'?' => then(at + 1),
                b'[' => {
                    let (next, is_in) = class(pattern, at + 1, byte.copied());
                    is_in && then(next)
                }
                b'\\' if at + 1 < pattern.len() => byte == Some(&pattern[at + 1]) && then(at + 2),
                own => byte == Some(&own) && then(at + 1),
            };
        }
    }
    all[0][0]
}

/// Where a class that begins at a place ends, and whether a byte is in it.
fn class(pattern: &[u8], start: usize, byte: Option<u8>) -> (usize, bool) {
    let left = |at: usize| pattern.len().saturating_sub(at);
    let is_not = pattern.get(start) == Some(&b'^');
    let mut at = start + usize::from(is_not);
    let mut is_in = false;
    while at < pattern.len() {
        let (width, holds) = if pattern[at] == b'\\' && left(at) > 1 {
            (2, byte == Some(pattern[at + 1]))
        } else if pattern[at] == b']' {
            at += 1;
            break;
        } else if left(at) > 2 && pattern[at + 1] == b'-' {
            let (one, other) = (pattern[at], pattern[at + 2]);
            (3, byte.is_some_and(|byte| (one.min(other)..=one.max(other)).contains(&byte)))
        } else {
            (1, byte == Some(pattern[at]))
        };
        is_in |= holds;
        at += width;
    }
    (at, is_in != is_not)
}
