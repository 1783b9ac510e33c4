//! What is sent: a number in the first word, and a word made of number and place at each kilobyte and at the end. The same
//! check for all: it costs little, and finds what is lost, doubled, out of order, torn or of another message.

const STRIDE: usize = 1024;
const WORD: usize = 8;
/// In the number: no message comes after.
const LAST: u64 = 1 << 63;

fn mark(number: u64, at: usize) -> [u8; WORD] {
    (number ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()
}

/// Where the marks of a body stand.
fn places(len: usize) -> impl Iterator<Item = usize> {
    (STRIDE..len - WORD).step_by(STRIDE).chain([len - WORD])
}

/// Makes a body the message of that number. At least two words long.
#[inline]
pub fn write(body: &mut [u8], number: u64, is_last: bool) {
    let number = if is_last { number | LAST } else { number };
    body[..WORD].copy_from_slice(&number.to_le_bytes());
    for at in places(body.len()) {
        body[at..at + WORD].copy_from_slice(&mark(number, at));
    }
}

/// What one end has received.
pub struct Check {
    len: usize,
    pub next: u64,
    pub is_over: bool,
    /// The first that was not as it ought to be. Kept, not raised: some callbacks come from C.
    pub wrong: Option<String>,
}

impl Check {
    pub fn new(len: usize) -> Check {
        Check { len, next: 0, is_over: false, wrong: None }
    }

    #[inline]
    pub fn see(&mut self, body: &[u8]) {
        if body.len() != self.len {
            self.refuse(format!("{} bytes in place of {}", body.len(), self.len));
            return;
        }
        let mut word = [0; WORD];
        word.copy_from_slice(&body[..WORD]);
        let number = u64::from_le_bytes(word);
        if number & !LAST != self.next {
            self.refuse(format!("message {} in place of {}", number & !LAST, self.next));
        } else if let Some(at) = places(self.len).find(|&at| body[at..at + WORD] != mark(number, at)) {
            self.refuse(format!("message {} is not as it was sent, at byte {at}", self.next));
        }
        self.next += 1;
        self.is_over |= number & LAST != 0;
    }

    #[cold]
    fn refuse(&mut self, what: String) {
        self.wrong.get_or_insert(what);
        self.is_over = true;
    }
}
