//! The pump: brings a file descriptor's readiness into Node's event loop without a thread, through `uv_poll`.
//!
//! One [`Pump`] belongs to one attachment; environments (worker_threads) have several each and share nothing
//! here. JavaScript ends it (`close`), or the garbage collector (`drop`), or the environment. Each goes
//! through `uv_close`, and everything is given back in libuv's close callback. The environment announces its
//! end by an *asynchronous* cleanup hook: it makes Node run the loop until the hook is removed, and keeps the
//! `napi_env` until then. A synchronous hook cannot wait for the close callback, and a handle left in a
//! worker's loop aborts the process. `process.exit()` of the main thread announces nothing at all; there a
//! destructor steps in, see `ending.rs`.
//!
//! For those who spin it has two more handles. What libuv does in one turn of the loop is why:
//!
//! ```text
//! idle      the handle's being active is all: the loop will not block in this turn
//! prepare   idle off; look, for at most as long as the loop would block; found: idle on, and the function
//! poll      blocks, unless something is due: libuv asks for that only now
//! ```
//!
//! So a loop that blocks has looked, and what was found is served in the same turn without a system call. After it the loop
//! turns without blocking, and so serves timers and sockets between two looks. Neither handle keeps it alive.
#![allow(unsafe_code)]

use std::cell::{Cell, OnceCell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::rc::Rc;
use std::time::Duration;

use napi::sys::{self, uv_loop_s};

use super::ending::{self, AtExit, OnClosed};
use super::listener::Listener;
use super::uv::{self, Uv};
use super::wakeup::{Look, Wakeup};

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
        let shared = Rc::new(Shared {
            uv,
            event_loop: Cell::new(null_mut()),
            poll: Memory::of(uv, uv::POLL),
            turns: OnceCell::new(),
            open: Cell::new(0),
            // SAFETY: passed on from this function's own contract.
            js: Cell::new(Some(unsafe { Listener::new(env, on_readable)? })),
            hook: Cell::new(null_mut()),
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
        shared.event_loop.set(event_loop);

        // SAFETY: `handle` is zeroed memory of the size libuv asked for, and the loop belongs to this thread.
        let status = unsafe { (uv.poll_init)(event_loop, handle, fd) };
        if status != 0 {
            return give_up(explain(status));
        }
        // From here on libuv knows the handle: only its close callback may give things back.
        shared.open.set(1);
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
        let shared = &*self.shared;
        if shared.closing.get() || shared.turns.get().is_some() {
            return false;
        }
        let uv = shared.uv;
        let turns = shared.turns.get_or_init(|| Turns {
            look,
            prepare: Memory::of(uv, uv::PREPARE),
            idle: Memory::of(uv, uv::IDLE),
        });
        let (event_loop, data) = (shared.event_loop.get(), std::ptr::from_ref(shared).cast_mut().cast());
        let (prepare, idle) = (turns.prepare.handle(), turns.idle.handle());
        // SAFETY: zeroed memory of the sizes libuv asked for, on this thread's loop. The count that `data` stands for is given
        // back when all three handles are closed. These calls do not fail.
        unsafe {
            (uv.prepare_init)(event_loop, prepare);
            (uv.idle_init)(event_loop, idle);
            for handle in [prepare, idle] {
                (uv.handle_set_data)(handle, data);
                (uv.unref)(handle);
            }
            (uv.prepare_start)(prepare, on_prepare);
        }
        shared.open.set(3);
        true
    }

    fn look_first(&self) -> bool {
        self.shared.keep_turning()
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

/// The memory of one of libuv's handles. `UnsafeCell`, because libuv writes to it behind shared references; `u128` for its
/// alignment.
struct Memory(Box<[UnsafeCell<u128>]>);

impl Memory {
    fn of(uv: &Uv, kind: c_int) -> Memory {
        // SAFETY: no preconditions; libuv answers for the handle type it knows under this number.
        let size = unsafe { (uv.handle_size)(kind) };
        let mut memory = Vec::new();
        memory.resize_with(size.div_ceil(size_of::<u128>()), UnsafeCell::default);
        Memory(memory.into_boxed_slice())
    }

    fn handle(&self) -> *mut uv::Handle {
        self.0.as_ptr().cast_mut().cast()
    }
}

/// What looks before the loop blocks.
struct Turns {
    look: Look,
    prepare: Memory,
    /// Active: the loop does not block, and so comes to look again.
    idle: Memory,
}

/// What the pump and its handles have in common. The handles own one count together, from `start` until [`finish`].
struct Shared {
    uv: &'static Uv,
    event_loop: Cell<*mut uv_loop_s>,
    poll: Memory,
    /// Only for those who spin.
    turns: OnceCell<Turns>,
    /// Handles whose close callbacks have not come.
    open: Cell<u32>,
    /// `None` once given back.
    js: Cell<Option<Listener>>,
    hook: Cell<sys::napi_async_cleanup_hook_handle>,
    closing: Cell<bool>,
    on_closed: OnClosed,
}

impl Shared {
    fn close(&self) {
        if self.closing.replace(true) {
            return;
        }
        let turns = self.turns.get().map(|turns| [turns.prepare.handle(), turns.idle.handle()]);
        for handle in turns.into_iter().flatten().chain([self.poll.handle()]) {
            // libuv forgets the descriptor, and events it has already fetched for it, before this returns.
            // SAFETY: initialised where it was made, and `closing` lets nobody get here twice.
            unsafe { (self.uv.close)(handle, on_close) }
        }
    }

    /// The loop does not block in its next turn, or in this one if that has not come to it. False: it does not look.
    fn keep_turning(&self) -> bool {
        let Some(turns) = self.turns.get().filter(|_| !self.closing.get()) else { return false };
        // SAFETY: initialised and not closing. Again: without effect.
        unsafe { (self.uv.idle_start)(turns.idle.handle(), on_idle) == 0 }
    }

    /// Whether the function is to be called before the loop blocks.
    fn look(&self) -> bool {
        let Some(turns) = self.turns.get().filter(|_| !self.closing.get()) else { return false };
        // SAFETY: as above; the loop is this thread's. Our own idle handle is not what keeps it from blocking.
        let timeout = unsafe {
            (self.uv.idle_stop)(turns.idle.handle());
            (self.uv.backend_timeout)(self.event_loop.get())
        };
        let most = u64::try_from(timeout).map_or(Duration::MAX, Duration::from_millis);
        // A panic must not reach libuv; the panic hook has told about it, and the function will meet what was behind it.
        catch_unwind(AssertUnwindSafe(|| (turns.look)(most))).unwrap_or(true)
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
    // SAFETY: one of libuv's callbacks, with its handle.
    if let Some(shared) = unsafe { shared_by(handle) } {
        shared.call();
    }
}

/// libuv: the loop is about to block, unless something is due.
unsafe extern "C" fn on_prepare(handle: *mut uv::Handle) {
    // SAFETY: one of libuv's callbacks, with its handle.
    if let Some(shared) = unsafe { shared_by(handle) }
        && shared.look()
    {
        // However the function ends, the loop looks again before it blocks.
        shared.keep_turning();
        shared.call();
    }
}

/// libuv: a turn begins. That it did not block is all that is wanted.
unsafe extern "C" fn on_idle(_handle: *mut uv::Handle) {}

/// Node: the environment ends. It now runs the loop until `finish` has removed the hook.
unsafe extern "C" fn on_environment_end(_hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the hook is removed before the handle's count, which `data` is, is given back.
    let shared = unsafe { &*data.cast::<Shared>() };
    shared.close();
}

/// libuv: the handle is closed. The last one: all of their memory is ours again.
unsafe extern "C" fn on_close(handle: *mut uv::Handle) {
    let Some(data) = data_of(handle) else { return };
    // SAFETY: the handles' count is there until the last of them is closed.
    let open = unsafe { &(*data.cast::<Shared>()).open };
    open.set(open.get() - 1);
    if open.get() == 0 {
        // SAFETY: `data` is the handles' count, and libuv calls this once for each of them.
        unsafe { finish(data) }
    }
}

/// A count of the caller's own keeps the pump whole even if the function runs the loop itself (as deasync does) and the last
/// close callback comes before it returns.
///
/// # Safety
/// In one of libuv's callbacks, with the handle it got, before the close callback.
unsafe fn shared_by(handle: *mut uv::Handle) -> Option<Rc<Shared>> {
    let data = data_of(handle)?.cast_const().cast::<Shared>();
    // SAFETY: the handles own a count until their close callbacks.
    unsafe {
        Rc::increment_strong_count(data);
        Some(Rc::from_raw(data))
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
/// On the loop's thread, once; `data` is the count made for the handles, and libuv is done with them.
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
