//! Looking before the event loop blocks, for those who spin. What libuv does in one turn of the loop is why it takes two
//! handles:
//!
//! ```text
//! idle      the handle's being active is all: the loop will not block in this turn
//! prepare   idle off; look, for at most as long as the loop would block; found: idle on, and the function
//! poll      blocks, unless something is due: libuv asks for that only now
//! ```
//!
//! So a loop that blocks has looked, and what was found is served in the same turn without a system call. After it the loop
//! turns without blocking, and so serves timers and sockets between two looks. Neither handle keeps it alive.
//!
//! Whoever drops it, and the environment's end, go through `uv_close`; see `handles.rs`.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::rc::Rc;
use std::time::Duration;

use napi::sys::{self, uv_loop_s};

use super::handles::{self, Memory, Teardown};
use super::uv::{self, Uv};
use super::wakeup::Look;

/// What looks before the loop of its environment blocks. Lives on that loop's thread.
pub struct Turns {
    shared: Rc<Shared>,
}

impl Turns {
    /// Has `look` called whenever the loop is about to block, and then `found` if there is something.
    ///
    /// # Safety
    /// `env` is the current environment, called from its own thread.
    pub unsafe fn start(env: sys::napi_env, look: Look, found: Box<dyn Fn()>) -> Result<Turns, String> {
        let uv = uv::available()?;
        let shared = Rc::new(Shared {
            uv,
            event_loop: Cell::new(null_mut()),
            prepare: Memory::of(uv, uv::PREPARE),
            idle: Memory::of(uv, uv::IDLE),
            open: Cell::new(0),
            teardown: Teardown::default(),
            closing: Cell::new(false),
            calls: RefCell::new(Some(Rc::new(Calls { look, found }))),
        });
        let data = Rc::into_raw(shared.clone()).cast_mut().cast::<c_void>();
        // SAFETY: `env` is current; the hook is removed in `finish`, before the count that `data` is goes.
        match unsafe { shared.teardown.watch(env, Some(on_environment_end), data) } {
            Ok(event_loop) => shared.event_loop.set(event_loop),
            Err(what) => {
                // SAFETY: no handle was initialised, so no close callback will give this count back.
                unsafe { finish(data) };
                return Err(what);
            }
        }
        let (event_loop, prepare, idle) =
            (shared.event_loop.get(), shared.prepare.handle(), shared.idle.handle());
        // SAFETY: zeroed memory of the sizes libuv asked for, on this thread's loop. The count that `data` is is given
        // back when both handles are closed. These calls do not fail.
        unsafe {
            (uv.prepare_init)(event_loop, prepare);
            (uv.idle_init)(event_loop, idle);
            for handle in [prepare, idle] {
                (uv.handle_set_data)(handle, data);
                (uv.unref)(handle);
            }
            (uv.prepare_start)(prepare, on_prepare);
        }
        shared.open.set(2);
        Ok(Turns { shared })
    }

    /// The loop does not block in its next turn, or in this one if that has not come to it. False: it does not look.
    pub fn keep_turning(&self) -> bool {
        self.shared.keep_turning()
    }

    /// Nothing is called any more. Again: without effect.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Neither libuv nor Node may be touched any more.
    pub fn forget(&self) {
        self.shared.closing.set(true);
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What is called, held for as long as a call takes.
struct Calls {
    look: Look,
    found: Box<dyn Fn()>,
}

/// What the handles have in common. They own one count together, until [`finish`].
struct Shared {
    uv: &'static Uv,
    event_loop: Cell<*mut uv_loop_s>,
    prepare: Memory,
    /// Active: the loop does not block, and so comes to look again.
    idle: Memory,
    /// Handles whose close callbacks have not come.
    open: Cell<u32>,
    teardown: Teardown,
    closing: Cell<bool>,
    /// `None` once it is over.
    calls: RefCell<Option<Rc<Calls>>>,
}

impl Shared {
    fn close(&self) {
        if self.closing.replace(true) {
            return;
        }
        for handle in [self.prepare.handle(), self.idle.handle()] {
            // SAFETY: initialised by `start`, and `closing` lets nobody get here twice.
            unsafe { (self.uv.close)(handle, on_close) }
        }
    }

    fn keep_turning(&self) -> bool {
        // SAFETY: initialised and not closing. Again: without effect.
        !self.closing.get() && unsafe { (self.uv.idle_start)(self.idle.handle(), on_idle) == 0 }
    }

    fn calls(&self) -> Option<Rc<Calls>> {
        self.calls.borrow().clone().filter(|_| !self.closing.get())
    }

    /// Whether the function is to be called before the loop blocks.
    fn look(&self, calls: &Calls) -> bool {
        // SAFETY: initialised and not closing; the loop is this thread's. Our own idle handle is not what keeps it from
        // blocking.
        let timeout = unsafe {
            (self.uv.idle_stop)(self.idle.handle());
            (self.uv.backend_timeout)(self.event_loop.get())
        };
        let most = u64::try_from(timeout).map_or(Duration::MAX, Duration::from_millis);
        // A panic must not reach libuv; the panic hook has told about it, and the function will meet what was behind it.
        catch_unwind(AssertUnwindSafe(|| (calls.look)(most))).unwrap_or(true)
    }
}

/// libuv: the loop is about to block, unless something is due.
unsafe extern "C" fn on_prepare(handle: *mut uv::Handle) {
    // SAFETY: one of libuv's callbacks, with its handle, whose data is a count of `Shared`.
    let Some(shared) = (unsafe { handles::shared_by::<Shared>(handle) }) else { return };
    let Some(calls) = shared.calls() else { return };
    if shared.look(&calls) {
        // However the function ends, the loop looks again before it blocks.
        shared.keep_turning();
        (calls.found)();
    }
}

/// libuv: a turn begins. That it did not block is all that is wanted.
unsafe extern "C" fn on_idle(_handle: *mut uv::Handle) {}

/// Node: the environment ends. It now runs the loop until `finish` has removed the hook.
unsafe extern "C" fn on_environment_end(_hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the hook is removed before the handles' count, which `data` is, is given back.
    let shared = unsafe { &*data.cast::<Shared>() };
    shared.close();
}

/// libuv: the handle is closed. The last one: all of their memory is ours again.
unsafe extern "C" fn on_close(handle: *mut uv::Handle) {
    let Some(data) = handles::data_of(handle) else { return };
    // SAFETY: the handles' count is there until the last of them is closed.
    let open = unsafe { &(*data.cast::<Shared>()).open };
    open.set(open.get() - 1);
    if open.get() == 0 {
        // SAFETY: `data` is the handles' count, and libuv calls this once for each of them.
        unsafe { finish(data) }
    }
}

/// Gives everything back.
///
/// # Safety
/// On the loop's thread, once; `data` is the count made for the handles, and libuv is done with them.
unsafe fn finish(data: *mut c_void) {
    // SAFETY: this function's own contract.
    let shared = unsafe { Rc::from_raw(data.cast_const().cast::<Shared>()) };
    shared.calls.take();
    // The environment may go after this.
    shared.teardown.done();
}
