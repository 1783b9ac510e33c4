//! The pump: brings a file descriptor's readiness into Node's event loop without a thread, through `uv_poll`.
//!
//! One [`Pump`] belongs to one attachment; environments (worker_threads) have several each and share nothing
//! here. JavaScript ends it (`close`), or the garbage collector (`drop`), or the environment. Each goes
//! through `uv_close`, and everything is given back in libuv's close callback. The environment announces its
//! end by an *asynchronous* cleanup hook: it makes Node run the loop until the hook is removed, and keeps the
//! `napi_env` until then. A synchronous hook cannot wait for the close callback, and a handle left in a
//! worker's loop aborts the process. `process.exit()` of the main thread announces nothing at all; there a
//! destructor steps in, see `ending.rs`.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::RawFd;
use std::ptr::null_mut;
use std::rc::Rc;

use napi::sys;

use super::ending::{self, AtExit, OnClosed};
use super::listener::Listener;
use super::uv::{self, Uv};
use super::wakeup::Wakeup;

/// A polled descriptor. Lives on the thread of its environment (it is not `Send`).
pub struct Pump {
    shared: Rc<Shared>,
}

impl Pump {
    /// Polls `fd` for readability on the loop of `env` and calls `on_readable` each time it is readable.
    /// If the kernel reports an error for `fd`, libuv stops polling and the function is called one last time, to
    /// find it. `fd` is made non-blocking.
    ///
    /// # Safety
    /// `env` is the current environment, called from its own thread, and `on_readable` a value of an open
    /// scope.
    pub unsafe fn start(
        env: sys::napi_env,
        fd: RawFd,
        on_readable: sys::napi_value,
        on_closed: Box<dyn FnOnce()>,
    ) -> Result<Pump, String> {
        let uv = uv::available()?;
        // SAFETY: no preconditions; libuv answers for the handle type it knows under this number.
        let size = unsafe { (uv.handle_size)(uv::POLL) };
        let mut memory = Vec::new();
        memory.resize_with(size.div_ceil(size_of::<u128>()), UnsafeCell::default);
        let shared = Rc::new(Shared {
            uv,
            memory: memory.into_boxed_slice(),
            // SAFETY: passed on from this function's own contract.
            js: Cell::new(Some(unsafe { Listener::new(env, on_readable)? })),
            hook: Cell::new(null_mut()),
            closing: Cell::new(false),
            on_closed: OnClosed::new(on_closed),
        });
        let handle = shared.handle();
        let data = Rc::into_raw(shared.clone()).cast_mut().cast::<c_void>();
        let give_up = |what: String| {
            shared.on_closed.forget();
            // SAFETY: no handle was initialised, so no close callback will give this count back.
            unsafe { finish(data) };
            Err(what)
        };

        let mut event_loop = null_mut();
        let mut hook = null_mut();
        // SAFETY: `env` is current; `data` outlives the hook, since `finish` removes that first.
        let status = unsafe {
            match sys::napi_get_uv_event_loop(env, &mut event_loop) {
                sys::Status::napi_ok => {
                    sys::napi_add_async_cleanup_hook(env, Some(on_environment_end), data, &mut hook)
                }
                failed => failed,
            }
        };
        if status != sys::Status::napi_ok {
            return give_up(format!("cannot reach the event loop (napi status {status})"));
        }
        shared.hook.set(hook);

        // SAFETY: `handle` is zeroed memory of the size libuv asked for, and the loop belongs to this thread.
        let status = unsafe { (uv.poll_init)(event_loop, handle, fd) };
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
        unsafe { change(self.shared.handle()) }
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

/// What the pump and its handle have in common. The handle owns one count from `start` until [`finish`].
struct Shared {
    uv: &'static Uv,
    /// The `uv_poll_t`. `UnsafeCell`, because libuv writes to it behind shared references; `u128` for its
    /// alignment.
    memory: Box<[UnsafeCell<u128>]>,
    /// `None` once given back.
    js: Cell<Option<Listener>>,
    hook: Cell<sys::napi_async_cleanup_hook_handle>,
    closing: Cell<bool>,
    on_closed: OnClosed,
}

impl Shared {
    fn handle(&self) -> *mut uv::Handle {
        self.memory.as_ptr().cast_mut().cast()
    }

    fn close(&self) {
        if !self.closing.replace(true) {
            // libuv forgets the descriptor, and events it has already fetched for it, before this returns.
            // SAFETY: initialised by `start`, and `closing` lets nobody get here twice.
            unsafe { (self.uv.close)(self.handle(), on_close) }
        }
    }
}

impl AtExit for Shared {
    fn at_exit(&self) {
        self.closing.set(true);
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
    let Some(data) = data_of(handle) else { return };
    // A count of our own keeps the pump whole even if the function runs the loop itself (as deasync does) and
    // the close callback comes before it returns.
    // SAFETY: the handle owns a count until its close callback.
    let shared = unsafe {
        Rc::increment_strong_count(data.cast::<Shared>());
        Rc::from_raw(data.cast::<Shared>())
    };
    if let Some(listener) = shared.js.get() {
        // SAFETY: on the loop's thread, and `js` is emptied before `release`.
        unsafe { listener.call() }
    }
}

/// Node: the environment ends. It now runs the loop until `finish` has removed the hook.
unsafe extern "C" fn on_environment_end(_hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the hook is removed before the handle's count, which `data` is, is given back.
    let shared = unsafe { &*data.cast::<Shared>() };
    shared.close();
}

/// libuv: the handle is closed and its memory is ours again.
unsafe extern "C" fn on_close(handle: *mut uv::Handle) {
    if let Some(data) = data_of(handle) {
        // SAFETY: `data` is the handle's count, and libuv calls this once.
        unsafe { finish(data) }
    }
}

fn data_of(handle: *mut uv::Handle) -> Option<*mut c_void> {
    let uv = uv::available().ok()?;
    // SAFETY: only called from libuv's callbacks, with the handle they got.
    Some(unsafe { (uv.handle_get_data)(handle) })
}

/// Gives everything back. During teardown too the environment is valid here, see the module's head.
///
/// # Safety
/// On the loop's thread, once; `data` is the count made for the handle, and libuv is done with the handle.
unsafe fn finish(data: *mut c_void) {
    // SAFETY: this function's own contract.
    let shared = unsafe { Rc::from_raw(data.cast_const().cast::<Shared>()) };
    if let Some(listener) = shared.js.take() {
        // SAFETY: `take` lets this happen once; the hook still keeps the environment.
        unsafe { listener.release() }
    }
    ending::closed(&*shared);
    shared.on_closed.tell();
    let hook = shared.hook.replace(null_mut());
    if !hook.is_null() {
        // SAFETY: a registered hook, removed once. The environment may go after this.
        unsafe { sys::napi_remove_async_cleanup_hook(hook) };
    }
}
