//! What requests and answers are wrapped in: arrays of three, of which the last is the user's (`docs/format.md`).

use super::message::Request;

/// Kinds of answers: a value; an error; how many answers are to be expected of who says so; that it has it, of the group with that
/// row, or (nil) to answer to though it responds no more.
pub(super) const VALUE: u32 = 0;
pub(super) const ERROR: u32 = 1;
pub(super) const COUNT: u32 = 2;
pub(super) const HELD: u32 = 3;

/// More answers than this no member gives to one request.
pub(super) const COUNT_MAX: u32 = 0xffff;

const ARRAY_OF_3: u8 = 0x93;

/// [one, two, value], of a value that is encoded already.
pub(super) fn wrapped(one: u32, two: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![ARRAY_OF_3];
    for number in [one, two] {
        match number {
            0..0x80 => bytes.push(number as u8),
            0x80..0x100 => bytes.extend([0xcc, number as u8]),
            0x100..0x1_0000 => bytes.extend([&[0xcd][..], &(number as u16).to_be_bytes()].concat()),
            _ => bytes.extend([&[0xce][..], &number.to_be_bytes()].concat()),
        }
    }
    bytes.extend_from_slice(value);
    bytes
}

/// The two numbers of an envelope, and its value; None: it is none.
pub(super) fn unwrapped(bytes: &[u8]) -> Option<(u32, u32, &[u8])> {
    let mut rest = bytes.strip_prefix(&[ARRAY_OF_3])?;
    let (one, two) = (number(&mut rest)?, number(&mut rest)?);
    Some((one, two, rest))
}

/// The number at the beginning, which is taken off. Other writers may have chosen a longer form.
fn number(bytes: &mut &[u8]) -> Option<u32> {
    let (&header, rest) = bytes.split_first()?;
    let len = match header {
        0..0x80 => {
            *bytes = rest;
            return Some(header.into());
        }
        0xcc => 1,
        0xcd => 2,
        0xce => 4,
        0xcf => 8,
        _ => return None,
    };
    let (digits, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    let value = digits.iter().fold(0u64, |value, digit| value << 8 | *digit as u64);
    value.try_into().ok()
}

/// A request, and its value; `row`: of the group it was taken from.
pub(super) fn request(bytes: &[u8], row: Option<u32>) -> Option<(Request, &[u8])> {
    let (member, id, value) = unwrapped(bytes)?;
    Some((Request { member, id, row }, value))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn envelopes_are_what_the_docs_say() {
        let docs = include_str!("../../docs/format.md");
        let encoded = |value: &str| rmp_serde::to_vec(value).expect("encode");
        for (what, bytes) in [
            ("request", wrapped(7, 1, &encoded("hi"))),
            ("answer", wrapped(1, VALUE, &[0x81, 0xa1, b'a', 1])),
            ("error", {
                let error = crate::error::HandlerError::new("no");
                wrapped(1, ERROR, &rmp_serde::to_vec_named(&error).expect("encode"))
            }),
            ("count", wrapped(1, COUNT, &[0])),
            ("held", wrapped(1, HELD, &[5])),
        ] {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let row = docs.lines().find(|line| line.starts_with(&format!("| {what} |"))).expect("a row");
            assert!(row.ends_with(&format!("| `{}` |", hex.join(" "))), "{what}: {}", hex.join(" "));
        }
    }

    #[test]
    fn numbers_of_every_length_come_back_as_rmp_writes_them() {
        for number in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, u32::MAX] {
            let bytes = wrapped(number, 1, &[0xc0]);
            assert_eq!(bytes, rmp_serde::to_vec(&(number, 1, ())).expect("encode"));
            assert_eq!(unwrapped(&bytes), Some((number, 1, &[0xc0][..])));
        }
        assert_eq!(unwrapped(&[0x93, 0xcf, 0, 0, 0, 0, 0, 0, 0, 5, 1]), Some((5, 1, &[][..])));
    }

    #[test]
    fn what_is_no_envelope_is_none() {
        let others: [&[u8]; 7] = [
            &[],
            &[0x93],
            &[0x92, 1, 1],
            &[0x93, 1],
            &[0x93, 0xce, 0, 0],
            &[0x93, 0xa1, b'a', 1, 1],
            &[0x93, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1],
        ];
        for bytes in others {
            assert_eq!(unwrapped(bytes), None, "{bytes:x?}");
        }
    }
}
