//! The calls each message takes: raw functions, without arguments where it counts. What would be arguments and results
//! lies in three arrays JavaScript allocates once and hands over:
//!
//! ```text
//! registers  Uint32Array   0 topic index  1 topic generation  2 topic hash  3 flags
//!                          4 length of the body, or how many bodies
//!                          5 messages drained  6 bytes the next message needs  7 what is to be told
//!                          8 what is to be done besides
//!                          9 of a message taken from a group: its row  10 whether another member was woken for more
//! meta       Float64Array  per message drained: topic index, offset, length, flags, sequence, position, member, pid, time
//! bytes      Uint8Array    their bodies, one after the other
//! ```
//!
//! The bytes to publish come from the encoder's scratch, handed over again whenever it is replaced.
#![allow(unsafe_code)]

use super::arrays::{Array, adopt, give_back, memory_of};
use super::wakeup::{Look, Wakeup};
use crate::bus::{Attachment, Drained, Gathering, Head, Refused, Sink, TopicRef, Turn};
use crate::registry::TopicId;
use napi::bindgen_prelude::Object;
use napi::{Env, JsValue, sys};
use std::cell::RefCell;
use std::ffi::c_void;
use std::iter::once;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// Results of `publish` and `publishFrom`.
const PUBLISHED: u32 = 0;
const FULL: u32 = 1;
const MOVED: u32 = 2;
const CORRUPT: u32 = 3;
const CLOSED: u32 = 4;
const BAD_CALL: u32 = 5;

/// Results of `drain`; CORRUPT and CLOSED as above.
const ALL: u32 = 0;
const MORE: u32 = 1;

/// Of `tick` and `relieve`; CLOSED as above.
fn status<E>(result: Result<bool, E>) -> u32 {
    result.map_or(CORRUPT, u32::from)
}

/// Bits of what is to be told, in the order in which they are: what is known of the topics patterns match holds no more; of
/// gaps, of what else has changed.
const REUSED: u32 = 4;
const GAPS: u32 = 1;
const NEWS: u32 = 2;

/// The places in `registers` that say from which group a message was taken, and whether another was woken.
const ROW: usize = 9;
const WOKE: usize = 10;
/// The place that says, where it is not 0, that what was taken from groups is not consumed though its listeners have returned.
const KEEP: usize = 11;
/// The place in `registers` that says what is to be done besides, and its bits.
const NOTE: usize = 8;
/// Members seem to be dead: `tick`.
const SUSPECTS: u32 = 1;
/// `endBurst`, once the JavaScript that publishes has returned.
const POSTS_DUE: u32 = 2;
/// Numbers per message in `meta`.
const META: usize = 9;
/// Positions one drain passes at the most, foreign ones included.
const POSITIONS: u64 = 8192;

/// A member and the arrays it shares with JavaScript.
pub(super) struct Hot {
    /// None once left: this lives until V8 collects the functions that hold it, the memory of the bus must not.
    attachment: Option<Attachment>,
    registers: Array<u32>,
    meta: Array<f64>,
    bytes: Array<u8>,
    scratch: Array<u8>,
    /// What looks before the loop blocks; with a spin alone.
    looker: Option<Weak<dyn Wakeup>>,
    /// A look found what JavaScript is called for: the semaphore need not be looked at.
    found: bool,
    /// There may be posts that nobody has taken.
    posted: bool,
    /// Of what is drained; what is taken of groups is for whoever comes first.
    gathering: Gathering,
}

impl Hot {
    pub fn new(mut attachment: Attachment) -> Hot {
        attachment.publish_in_bursts();
        Hot {
            attachment: Some(attachment),
            registers: Array::default(),
            meta: Array::default(),
            bytes: Array::default(),
            scratch: Array::default(),
            looker: None,
            found: false,
            posted: false,
            gathering: Gathering::napping(),
        }
    }

    /// Leaves the bus, and gives back its memory and descriptors. Without Node: also as the process exits.
    pub fn leave(&mut self) {
        self.attachment = None;
    }

    /// Gives the arrays back; nothing is called any more that looks at them.
    ///
    /// # Safety
    /// In a call of `env`, after [`leave`](Self::leave).
    pub unsafe fn unshare(&mut self, env: sys::napi_env) {
        // SAFETY: passed on.
        unsafe {
            give_back(env, &mut self.registers);
            give_back(env, &mut self.meta);
            give_back(env, &mut self.bytes);
            give_back(env, &mut self.scratch);
        }
    }

    /// None once left.
    pub fn attachment(&mut self) -> Option<&mut Attachment> {
        self.attachment.as_mut()
    }

    pub fn relieve(&mut self, len: usize, interval: Duration, stall_timeout: Option<Duration>) -> u32 {
        self.attachment
            .as_mut()
            .map_or(CLOSED, |at| status(at.relieve(len, Instant::now(), interval, stall_timeout)))
    }

    /// Publishes the first `len` bytes of the scratch, or of `from`.
    fn publish(&mut self, from: Option<&[u8]>) -> u32 {
        let Some(attachment) = living(&mut self.attachment) else { return CLOSED };
        let registers = self.registers.slice();
        let Some((topic, flags, len)) = aim(registers) else { return BAD_CALL };
        let body = match from {
            Some(bytes) => bytes,
            None => match self.scratch.slice().get(..len as usize) {
                Some(bytes) => bytes,
                None => return BAD_CALL,
            },
        };
        if body.len() as u64 > attachment.max_message() {
            return BAD_CALL;
        }
        let published = attachment.publish_all(topic, flags, once(body));
        note(attachment, registers);
        published.map_or_else(refusal, |_| PUBLISHED)
    }

    /// Publishes the bodies that lie in `bytes`, of the lengths in `lengths`, one after the other: all or none. FULL: also where there
    /// will never be room for so many at once.
    fn publish_many(&mut self, bytes: &[u8], lengths: &[u32]) -> u32 {
        let Some(attachment) = living(&mut self.attachment) else { return CLOSED };
        let registers = self.registers.slice();
        let Some((topic, flags, count)) = aim(registers) else { return BAD_CALL };
        let Some(lengths) = lengths.get(..count as usize) else { return BAD_CALL };
        let longest = lengths.iter().max().map_or(0, |len| *len as u64);
        let total: u64 = lengths.iter().map(|len| *len as u64).sum();
        if lengths.is_empty() || longest > attachment.max_message() || total > bytes.len() as u64 {
            return BAD_CALL;
        }
        if Attachment::frames(lengths.iter().map(|len| *len as usize)) > attachment.max_at_once() {
            return FULL;
        }
        let bodies = lengths.iter().scan(0, |at, len| {
            let start = *at;
            *at += *len as usize;
            Some(&bytes[start..*at])
        });
        let published = attachment.publish_all(topic, flags, bodies);
        note(attachment, registers);
        published.map_or_else(refusal, |_| PUBLISHED)
    }

    /// The JavaScript that published has returned.
    fn end_burst(&mut self) -> u32 {
        if let Some(attachment) = living(&mut self.attachment) {
            attachment.end_burst();
        }
        0
    }

    pub fn tick(&mut self) -> u32 {
        let Some(attachment) = living(&mut self.attachment) else { return CLOSED };
        let ticked = attachment.tick();
        note(attachment, self.registers.slice());
        status(ticked)
    }

    fn drain(&mut self) -> u32 {
        let Some(attachment) = living(&mut self.attachment) else { return CLOSED };
        // JavaScript drains when the listeners of what it drained before have returned.
        consume(attachment, self.registers.slice());
        self.gathering.wait();
        let mut batch =
            Batch { meta: self.meta.slice(), bytes: self.bytes.slice(), count: 0, used: 0, needed: 0 };
        let drained = attachment.drain(POSITIONS, &mut batch);
        let (count, needed) = (batch.count, batch.needed);
        self.gathering.found(count, drained != Drained::All);
        let told = attachment.take_reused() as u32 * REUSED
            + attachment.has_gaps() as u32 * GAPS
            + attachment.has_news() as u32 * NEWS;
        if let [_, _, _, _, _, drained, more, tell, ..] = self.registers.slice() {
            *drained = count as u32;
            *more = needed as u32;
            *tell = told;
        }
        match drained {
            Drained::All => ALL,
            Drained::More | Drained::Cut => MORE,
            Drained::Corrupt => CORRUPT,
        }
    }

    /// Takes one message of the thread's groups. MORE: it was taken, or there may be one.
    fn take(&mut self) -> u32 {
        let Some(attachment) = living(&mut self.attachment) else { return CLOSED };
        // As for a drain.
        consume(attachment, self.registers.slice());
        let mut batch =
            Batch { meta: self.meta.slice(), bytes: self.bytes.slice(), count: 0, used: 0, needed: 0 };
        // What was missed is told first: its listener may end what a message would be for.
        let turn = match attachment.has_gaps() {
            true => Turn::Ended(Drained::More),
            false => attachment.take(&mut batch),
        };
        let (count, needed) = (batch.count, batch.needed);
        let registers = self.registers.slice();
        if let [_, _, _, _, _, drained, more, tell, ..] = registers {
            *drained = count as u32;
            *more = needed as u32;
            *tell = attachment.has_gaps() as u32 * GAPS;
        }
        note(attachment, registers);
        match turn {
            Turn::Taken(taken) => {
                if let Some(words) = registers.get_mut(ROW..=WOKE) {
                    words.copy_from_slice(&[taken.row, taken.woke as u32]);
                }
                MORE
            }
            Turn::Ended(Drained::All) => ALL,
            Turn::Ended(Drained::More | Drained::Cut) => MORE,
            Turn::Ended(Drained::Corrupt) => CORRUPT,
        }
    }

    /// 1: asleep, or looks before the loop blocks; 0: there is something to drain first.
    fn sleep(&mut self) -> u32 {
        let Some(attachment) = living(&mut self.attachment) else { return 1 };
        consume(attachment, self.registers.slice());
        let looker = self.looker.as_ref().filter(|_| attachment.spins()).and_then(Weak::upgrade);
        if !looker.is_some_and(|looker| looker.look_first()) {
            // Armed already if a listener subscribed: it looks all the same, and drains in this turn what the listener published.
            attachment.disarm();
            return u32::from(!attachment.fall_asleep(Duration::ZERO));
        }
        if attachment.has_work() || attachment.has_news() {
            return 0;
        }
        // Left there, they would call JavaScript in each turn until it sleeps.
        if std::mem::take(&mut self.posted) {
            attachment.take_posts();
        }
        1
    }

    /// The loop is about to block: looks, for at most that long, and else is asleep.
    pub fn look(&mut self, most: Duration) -> bool {
        let Some(attachment) = living(&mut self.attachment) else { return false };
        self.found = attachment.fall_asleep(most);
        self.found
    }

    /// How long it looks before it sleeps, if `wakeup` can.
    pub fn set_spin(&mut self, spin: Duration, wakeup: &Rc<dyn Wakeup>, look: impl FnOnce() -> Look) {
        let Some(attachment) = living(&mut self.attachment) else { return };
        attachment.set_spin(spin);
        if attachment.spins() && self.looker.is_none() && wakeup.look_before_blocking(look()) {
            self.looker = Some(Rc::downgrade(wakeup));
        }
    }

    /// Awake: nobody needs to post.
    fn rouse(&mut self) -> u32 {
        self.posted |= !std::mem::take(&mut self.found);
        if let Some(attachment) = living(&mut self.attachment) {
            attachment.rouse();
        }
        0
    }
}

/// Topic, flags and length (of many: count) of what is to be published.
fn aim(registers: &[u32]) -> Option<(TopicRef, u16, u32)> {
    let &[index, generation, hash, flags, len, ..] = registers else { return None };
    Some((TopicRef { id: TopicId { index, generation }, hash: hash as u16 }, flags as u16, len))
}

fn refusal(refused: Refused) -> u32 {
    match refused {
        Refused::Full => FULL,
        Refused::Moved => MOVED,
        Refused::Corrupt => CORRUPT,
    }
}

/// Lets JavaScript know whether an early tick is worth it, and whether posts wait for the end of the burst; it clears the word.
fn note(attachment: &Attachment, registers: &mut [u32]) {
    let due = attachment.suspects() as u32 * SUSPECTS + attachment.owes_posts() as u32 * POSTS_DUE;
    if due != 0
        && let Some(word) = registers.get_mut(NOTE)
    {
        *word |= due;
    }
}

/// The listeners have returned. What was taken from groups is held on to while JavaScript says so.
fn consume(attachment: &mut Attachment, registers: &[u32]) {
    attachment.consume();
    if registers.get(KEEP).is_none_or(|keep| *keep == 0) {
        attachment.consume_taken();
    }
}

/// Unless left, or a copy of it in a forked process.
fn living(attachment: &mut Option<Attachment>) -> Option<&mut Attachment> {
    attachment.as_mut().filter(|attachment| !attachment.is_forked())
}

/// Where a drain puts what it copies: straight into JavaScript's arrays.
struct Batch<'a> {
    meta: &'a mut [f64],
    bytes: &'a mut [u8],
    count: usize,
    used: usize,
    needed: usize,
}

impl Sink for Batch<'_> {
    fn fits(&mut self, len: usize) -> bool {
        let fits = (self.count + 1) * META <= self.meta.len() && self.used + len <= self.bytes.len();
        if !fits && self.count == 0 {
            self.needed = len;
        }
        fits
    }

    fn take(&mut self, head: &Head, copy: impl FnOnce(&mut [u8])) {
        copy(&mut self.bytes[self.used..][..head.len]);
        let words = [
            head.topic.index as f64,
            self.used as f64,
            head.len as f64,
            head.flags as f64,
            head.sequence as f64,
            head.position as f64,
            head.member as f64,
            head.pid as f64,
            head.time_ms as f64,
        ];
        self.meta[self.count * META..][..META].copy_from_slice(&words);
        self.count += 1;
        self.used += head.len;
    }

    fn discard(&mut self) {
        self.count = 0;
        self.used = 0;
        self.needed = 0;
    }
}

type Cell = RefCell<Hot>;

/// An object with the hot functions, each holding the member for as long as JavaScript holds it.
pub(super) fn functions<'env>(env: &'env Env, hot: &Rc<Cell>) -> napi::Result<Object<'env>> {
    let object = Object::new(env)?;
    let table: [(&str, sys::napi_callback); 9] = [
        ("publish", Some(publish)),
        ("publishFrom", Some(publish_from)),
        ("publishMany", Some(publish_many)),
        ("endBurst", Some(end_burst)),
        ("drain", Some(drain)),
        ("take", Some(take)),
        ("sleep", Some(sleep)),
        ("rouse", Some(rouse)),
        ("share", Some(share)),
    ];
    for (name, callback) in table {
        let data = Rc::into_raw(hot.clone()).cast_mut().cast::<c_void>();
        let mut function = null_mut();
        // SAFETY: `env` is current; `data` is a count of its own that the finalizer gives back.
        let status = unsafe {
            let made = sys::napi_create_function(
                env.raw(),
                name.as_ptr().cast(),
                name.len() as isize,
                callback,
                data,
                &mut function,
            );
            match made {
                sys::Status::napi_ok => {
                    sys::napi_add_finalizer(env.raw(), function, data, Some(release), null_mut(), null_mut())
                }
                failed => failed,
            }
        };
        if status != sys::Status::napi_ok {
            // SAFETY: the finalizer was not added, so the count is still ours.
            drop(unsafe { Rc::from_raw(data.cast::<Cell>()) });
            return Err(napi::Error::from_status(status.into()));
        }
        // SAFETY: both are values of the current scope.
        unsafe {
            sys::napi_set_named_property(
                env.raw(),
                object.raw(),
                std::ffi::CString::new(name)?.as_ptr(),
                function,
            );
        }
    }
    Ok(object)
}

unsafe extern "C" fn release(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the function's own count, given back once.
    drop(unsafe { Rc::from_raw(data.cast::<Cell>()) });
}

/// Runs `act` on the member behind a call, and returns its result as a number.
///
/// # Safety
/// From a callback of `functions`.
unsafe fn on_member(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    arguments: &mut [sys::napi_value],
    act: impl FnOnce(&mut Hot, &[sys::napi_value]) -> u32,
) -> sys::napi_value {
    let (mut count, mut data, mut result) = (arguments.len(), null_mut(), null_mut());
    // SAFETY: `env` and `info` are the call's own; the pointers lead to locals of the given lengths.
    unsafe {
        sys::napi_get_cb_info(env, info, &mut count, arguments.as_mut_ptr(), null_mut(), &mut data);
        let cell = &*data.cast::<Cell>();
        // Borrowed only if the process is being ended from inside a call.
        let run = || cell.try_borrow_mut().map_or(CLOSED, |mut hot| act(&mut hot, arguments));
        // A panic through a frame of C ends the process; the panic hook has told about it.
        let status = catch_unwind(AssertUnwindSafe(run)).unwrap_or(CORRUPT);
        sys::napi_create_uint32(env, status, &mut result);
    }
    result
}

unsafe extern "C" fn publish(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: this is one of the callbacks of `functions`.
    unsafe { on_member(env, info, &mut [], |hot, _| hot.publish(None)) }
}

unsafe extern "C" fn publish_from(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe {
        on_member(env, info, &mut [null_mut()], |hot, arguments| match memory_of::<u8>(env, arguments[0]) {
            Some((start, len)) => hot.publish(Some(std::slice::from_raw_parts(start, len))),
            None => BAD_CALL,
        })
    }
}

/// publishMany(bytes, lengths)
unsafe extern "C" fn publish_many(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above; JavaScript does not run meanwhile, and so does not write the lengths.
    unsafe {
        on_member(env, info, &mut [null_mut(); 2], |hot, arguments| {
            let (bytes, lengths) = (memory_of::<u8>(env, arguments[0]), memory_of::<u32>(env, arguments[1]));
            let (Some(bytes), Some(lengths)) = (bytes, lengths) else { return BAD_CALL };
            hot.publish_many(
                std::slice::from_raw_parts(bytes.0, bytes.1),
                std::slice::from_raw_parts(lengths.0, lengths.1 / size_of::<u32>()),
            )
        })
    }
}

unsafe extern "C" fn end_burst(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { on_member(env, info, &mut [], |hot, _| hot.end_burst()) }
}

unsafe extern "C" fn drain(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { on_member(env, info, &mut [], |hot, _| hot.drain()) }
}

unsafe extern "C" fn take(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { on_member(env, info, &mut [], |hot, _| hot.take()) }
}

unsafe extern "C" fn sleep(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { on_member(env, info, &mut [], |hot, _| hot.sleep()) }
}

unsafe extern "C" fn rouse(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { on_member(env, info, &mut [], |hot, _| hot.rouse()) }
}

/// share(registers, meta, bytes, scratch): hands the arrays over; undefined leaves one as it was.
unsafe extern "C" fn share(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above; each array is read as the type its place in the call has.
    unsafe {
        on_member(env, info, &mut [null_mut(); 4], |hot, arguments| {
            // Nobody would give them back.
            if hot.attachment.is_none() {
                return CLOSED;
            }
            adopt(env, arguments[0], &mut hot.registers);
            adopt(env, arguments[1], &mut hot.meta);
            adopt(env, arguments[2], &mut hot.bytes);
            adopt(env, arguments[3], &mut hot.scratch);
            0
        })
    }
}
