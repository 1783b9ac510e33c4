//! The pump: brings a descriptor's readiness into Node's event loop without a thread, through `uv_poll`. (Not on Windows,
//! where libuv polls sockets alone.)
//!
//! One [`Pump`] belongs to one attachment; environments (worker_threads) have several each and share nothing
//! here. JavaScript ends it (`close`), or the garbage collector (`drop`), or the environment. Each goes
//! through `uv_close`, and everything is given back in libuv's close callback. `process.exit()` of the main thread
//! announces nothing at all; there a destructor steps in, see `ending.rs`.
#![allow(unsafe_code)]

use std::cell::{Cell, OnceCell};
use std::ffi::{c_int, c_void};
use std::io;
use std::rc::{Rc, Weak};

use napi::sys;

use super::ending::{self, AtExit, OnClosed};
use super::handles::{self, Memory, Teardown};
use super::listener::Listener;
use super::turns::Turns;
use super::uv::{self, Uv};
use super::wakeup::{Look, Wakeup};
use crate::bus::Waitable;

/// A polled descriptor. Lives on the thread of its environment (it is not `Send`).
pub struct Pump {
    shared: Rc<Shared>,
}

impl Pump {
    /// Polls the semaphore on the loop of `env` and calls `on_readable` each time there is a post.
    /// If the kernel reports an error for its descriptor, libuv stops polling and the function is called one last time, to
    /// find it. The descriptor is made non-blocking.
    ///
    /// # Safety
    /// `env` is the current environment, called from its own thread, and `on_readable` a value of an open
    /// scope.
    pub unsafe fn start(
        env: sys::napi_env,
        semaphore: Waitable,
        on_readable: sys::napi_value,
        on_closed: Box<dyn FnOnce()>,
    ) -> Result<Pump, String> {
        let uv = uv::available()?;
        let shared = Rc::new(Shared {
            uv,
            env,
            poll: Memory::of(uv, uv::POLL),
            turns: OnceCell::new(),
            // SAFETY: passed on from this function's own contract.
            js: Cell::new(Some(unsafe { Listener::new(env, on_readable)? })),
            teardown: Teardown::default(),
            closing: Cell::new(false),
            on_closed: OnClosed::new(on_closed),
        });
        let handle = shared.poll.handle();
        let data = Rc::into_raw(shared.clone()).cast_mut().cast::<c_void>();
        let give_up = |what: String| {
            shared.on_closed.forget();
            // SAFETY: no handle was initialised, so no close callback will give this count back.
            unsafe { finish(data) };
            Err(what)
        };

        // SAFETY: `env` is current; `data` outlives the hook, since `finish` removes that before the count goes.
        let event_loop = match unsafe { shared.teardown.watch(env, Some(on_environment_end), data) } {
            Ok(event_loop) => event_loop,
            Err(what) => return give_up(what),
        };
        // SAFETY: `handle` is zeroed memory of the size libuv asked for, and the loop belongs to this thread.
        let status = unsafe { (uv.poll_init)(event_loop, handle, semaphore.descriptor()) };
        if status != 0 {
            return give_up(explain(status));
        }
        // From here on libuv knows the handle: only its close callback may give things back.
        // SAFETY: `handle` is initialised and `data` is valid until its close callback.
        let status = unsafe {
            (uv.handle_set_data)(handle, data);
            (uv.unref)(handle);
            (uv.poll_start)(handle, uv::READABLE, on_poll)
        };
        let pump = Pump { shared };
        if status != 0 {
            pump.shared.on_closed.forget();
            return Err(explain(status)); // and dropping the pump closes the handle
        }
        ending::opened(&pump.shared);
        Ok(pump)
    }
}

impl Wakeup for Pump {
    fn set_ref(&self, referenced: bool) {
        if self.shared.closing.get() {
            return;
        }
        let uv = self.shared.uv;
        let change = if referenced { uv.ref_ } else { uv.unref };
        // SAFETY: the handle was initialised by `start` and is not closing.
        unsafe { change(self.shared.poll.handle()) }
    }

    fn look_before_blocking(&self, look: Look) -> bool {
        let shared = &self.shared;
        if shared.closing.get() || shared.turns.get().is_some() {
            return false;
        }
        let called = Rc::downgrade(shared);
        let found = Box::new(move || {
            if let Some(shared) = Weak::upgrade(&called) {
                shared.call();
            }
        });
        // SAFETY: not closing, hence the environment is there; and this is its thread.
        match unsafe { Turns::start(shared.env, look, found) } {
            Ok(turns) => shared.turns.set(turns).is_ok(),
            Err(_) => false,
        }
    }

    fn look_first(&self) -> bool {
        self.shared.turns.get().is_some_and(Turns::keep_turning)
    }

    /// `on_closed` follows from the event loop.
    fn close(&self) {
        self.shared.close();
    }
}

impl Drop for Pump {
    /// Also runs in finalizers, hence possibly while the garbage collector works or after the environment
    /// closed the pump by itself. Both are fine, because closing calls nothing but libuv, and that only the
    /// first time.
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What the pump and its handle have in common. The handle owns a count, from `start` until [`finish`].
struct Shared {
    uv: &'static Uv,
    env: sys::napi_env,
    poll: Memory,
    /// Only for those who spin.
    turns: OnceCell<Turns>,
    /// `None` once given back.
    js: Cell<Option<Listener>>,
    teardown: Teardown,
    closing: Cell<bool>,
    on_closed: OnClosed,
}

impl Shared {
    fn close(&self) {
        if self.closing.replace(true) {
            return;
        }
        if let Some(turns) = self.turns.get() {
            turns.close();
        }
        // libuv forgets the descriptor, and events it has already fetched for it, before this returns.
        // SAFETY: initialised by `start`, and `closing` lets nobody get here twice.
        unsafe { (self.uv.close)(self.poll.handle(), on_close) }
    }

    fn call(&self) {
        if let Some(listener) = self.js.get() {
            // SAFETY: on the loop's thread, and `js` is emptied before `release`.
            unsafe { listener.call() }
        }
    }
}

impl AtExit for Shared {
    fn at_exit(&self) {
        self.closing.set(true);
        if let Some(turns) = self.turns.get() {
            turns.forget();
        }
        self.on_closed.tell();
    }
}

/// libuv's errors are negated errnos.
fn explain(status: c_int) -> String {
    let reason = io::Error::from_raw_os_error(status.saturating_neg());
    format!("cannot wait for the descriptor in the event loop: {reason}")
}

/// libuv: the descriptor is readable (or failed, which the listener finds when it reads).
unsafe extern "C" fn on_poll(handle: *mut uv::Handle, _status: c_int, _events: c_int) {
    // SAFETY: one of libuv's callbacks, with its handle, whose data is a count of `Shared`.
    if let Some(shared) = unsafe { handles::shared_by::<Shared>(handle) } {
        shared.call();
    }
}

/// Node: the environment ends. It now runs the loop until `finish` has removed the hook.
unsafe extern "C" fn on_environment_end(_hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the hook is removed before the handle's count, which `data` is, is given back.
    let shared = unsafe { &*data.cast::<Shared>() };
    shared.close();
}

/// libuv: the handle is closed, and its memory ours again.
unsafe extern "C" fn on_close(handle: *mut uv::Handle) {
    if let Some(data) = handles::data_of(handle) {
        // SAFETY: `data` is the handle's count, and libuv calls this once.
        unsafe { finish(data) }
    }
}

/// Gives everything back. During teardown too the environment is valid here, see `handles.rs`.
///
/// # Safety
/// On the loop's thread, once; `data` is the count made for the handle, and libuv is done with it.
unsafe fn finish(data: *mut c_void) {
    // SAFETY: this function's own contract.
    let shared = unsafe { Rc::from_raw(data.cast_const().cast::<Shared>()) };
    if let Some(listener) = shared.js.take() {
        // SAFETY: `take` lets this happen once; the hook still keeps the environment.
        unsafe { listener.release() }
    }
    ending::closed(&*shared);
    shared.on_closed.tell();
    // The environment may go after this.
    shared.teardown.done();
}
