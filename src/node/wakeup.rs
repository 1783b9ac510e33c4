//! Bringing the posts of a member's semaphore into the event loop, by one of two bodies: the pump needs no thread, but a libuv
//! that polls such semaphores, which it does on Unix; the waiter needs nothing but Node's API. Both promise this:
//!
//! - Level triggered: what the function leaves unread brings it back in the next turn of the loop.
//! - It is called as a [`Listener`](super::listener::Listener) is, and held until the wake-up is closed.
//! - The semaphore stays the caller's and must stay open until `close` returns or `on_closed` runs: once, on this thread,
//!   when the wake-up is closed or its environment ends, possibly from inside the C library's `exit`. `on_closed` must not
//!   call into Node. After a start that failed it is dropped uncalled.
//!
//! Where libuv can be used they also look for themselves, for those who spin: what `look_before_blocking` says.
#![allow(unsafe_code)]

#[cfg(unix)]
use super::pump::Pump;
use super::uv;
use super::waiter::Waiter;
use crate::bus::Waitable;
use napi::bindgen_prelude::Function;
use napi::{Env, sys};
use std::rc::Rc;
use std::time::Duration;

/// Looks, for at most so long, whether the function is to be called though nothing was posted. False: for anything that
/// comes from now on there will be a post. It calls neither Node nor libuv.
pub type Look = Box<dyn Fn(Duration) -> bool>;

/// Lives on the thread of its environment. Dropping closes it.
pub trait Wakeup {
    /// Whether it keeps the process (or the worker) alive. At first it does not. Without effect once closed.
    fn set_ref(&self, referenced: bool);

    /// Has `look` called whenever the loop is about to block, and then the function if there is something. Once. False: this
    /// body cannot.
    fn look_before_blocking(&self, _look: Look) -> bool {
        false
    }

    /// From inside the function, or anywhere else on the loop's thread: the loop does not block before it looked. False: it
    /// does not look at all.
    fn look_first(&self) -> bool {
        false
    }

    /// Stops at once: the function is not called any more. May be called from inside it, and again.
    fn close(&self);
}

/// The pump, unless libuv is not there or, for all that it is there, not to be used: `by_thread`.
///
/// # Safety
/// `env` is the current environment, called from its own thread, and the functions values of an open scope.
pub unsafe fn start(
    env: Env,
    by_thread: bool,
    semaphore: Waitable,
    on_readable: sys::napi_value,
    defer: Function<(), ()>,
    on_closed: Box<dyn FnOnce()>,
) -> Result<Rc<dyn Wakeup>, String> {
    let has_loop = !by_thread && uv::available().is_ok();
    // SAFETY: passed on from this function's own contract.
    unsafe {
        #[cfg(unix)]
        if has_loop {
            return Ok(Rc::new(Pump::start(env.raw(), semaphore, on_readable, on_closed)?));
        }
        Ok(Rc::new(Waiter::start(&env, semaphore, on_readable, defer, has_loop, on_closed)?))
    }
}
