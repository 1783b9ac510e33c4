//! The waiter: brings a semaphore's posts into the event loop by a thread that keeps vigil and a threadsafe function. For
//! hosts whose libuv cannot be used, and for Windows, where libuv has nothing that waits for one.
//!
//! ```text
//! thread       until posted -> one call -> until told: go on, again; end
//! JavaScript   the call: setImmediate(go on), then the listener
//! ```
//!
//! The thread waits until the loop has turned after each call, so there is never more than one, and what the listener
//! leaves unread costs a turn each time, not a core. An immediate tells it, not the end of the call: Node makes calls that
//! arrive during a call in the same turn, up to a thousand, and timers would wait for all of them.
//!
//! Whoever ends it, the thread has ended before `on_closed` runs; afterwards Node forgets the threadsafe function. When
//! the environment ends, Node forgets it first, and the thread ends in its finalizer.
#![allow(unsafe_code)]

use std::cell::{Cell, OnceCell};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::rc::{Rc, Weak};
use std::thread::{self, JoinHandle};

use napi::bindgen_prelude::{Function, FunctionRef};
use napi::{Env, JsValue, sys};

use super::ending::{self, AtExit, OnClosed};
use super::listener::Listener;
use super::turns::Turns;
use super::wakeup::{Look, Wakeup};
use crate::bus::{Orders, Vigil, Waitable};

/// A semaphore waited for by a thread. Itself it lives on the thread of its environment (it is not `Send`).
pub struct Waiter {
    shared: Rc<Shared>,
}

impl Waiter {
    /// Calls `on_readable` on the loop of `env` each time there is a post; `defer` is `setImmediate`. Who spins can do so only
    /// if the host's libuv can be used: `has_loop`.
    ///
    /// # Safety
    /// `env` is the current environment, called from its own thread, and the functions values of an open scope.
    pub unsafe fn start(
        env: &Env,
        semaphore: Waitable,
        on_readable: sys::napi_value,
        defer: Function<(), ()>,
        has_loop: bool,
        on_closed: Box<dyn FnOnce()>,
    ) -> Result<Waiter, String> {
        // SAFETY: the semaphore is there until `on_closed` runs, which is after the thread has ended.
        let (orders, vigil) = unsafe { Vigil::of(semaphore) }.map_err(explain)?;
        let control = Rc::new(Control { orders, ended: Cell::new(false) });
        let told = control.clone();
        let has_run = env.create_function_from_closure("slabcastHasRun", move |_| {
            told.has_run();
            Ok(())
        });
        let shared = Rc::new(Shared {
            control,
            defer: defer.create_ref().map_err(explain)?,
            has_run: has_run.and_then(|function| function.create_ref()).map_err(explain)?,
            // SAFETY: passed on from this function's own contract.
            js: Cell::new(Some(unsafe { Listener::new(env.raw(), on_readable)? })),
            env: env.raw(),
            has_loop,
            turns: OnceCell::new(),
            calls: Cell::new(null_mut()),
            thread: Cell::new(None),
            on_closed: OnClosed::new(on_closed),
        });
        // SAFETY: passed on from this function's own contract.
        let calls = unsafe { Calls::new(&shared) }?;
        shared.calls.set(calls.0);
        let waiter = Waiter { shared };
        let thread = thread::Builder::new().name("slabcast-wake".into()).stack_size(256 * 1024);
        match thread.spawn(move || keep(vigil, calls)) {
            Ok(thread) => waiter.shared.thread.set(Some(thread)),
            Err(error) => {
                waiter.shared.on_closed.forget();
                return Err(explain(error)); // and dropping the waiter closes it
            }
        }
        ending::opened(&waiter.shared);
        Ok(waiter)
    }
}

impl Wakeup for Waiter {
    fn set_ref(&self, referenced: bool) {
        let Shared { env, calls, .. } = &*self.shared;
        if calls.get().is_null() {
            return;
        }
        // SAFETY: on the thread of `env`; Node has not been told to forget the function, nor done so by itself.
        unsafe {
            if referenced {
                sys::napi_ref_threadsafe_function(*env, calls.get());
            } else {
                sys::napi_unref_threadsafe_function(*env, calls.get());
            }
        }
    }

    fn look_before_blocking(&self, look: Look) -> bool {
        let shared = &self.shared;
        if !shared.has_loop || shared.control.ended.get() || shared.turns.get().is_some() {
            return false;
        }
        let called = Rc::downgrade(shared);
        let found = Box::new(move || {
            if let Some(shared) = Weak::upgrade(&called) {
                shared.call();
            }
        });
        // SAFETY: not closed, hence the environment is there; and this is its thread.
        match unsafe { Turns::start(shared.env, look, found) } {
            Ok(turns) => shared.turns.set(turns).is_ok(),
            Err(_) => false,
        }
    }

    fn look_first(&self) -> bool {
        self.shared.turns.get().is_some_and(Turns::keep_turning)
    }

    fn close(&self) {
        self.shared.close();
    }
}

impl Drop for Waiter {
    /// Also runs in finalizers: closing runs no JavaScript.
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What the waiter and the threadsafe function have in common. The latter owns one count until its finalizer.
struct Shared {
    control: Rc<Control>,
    defer: FunctionRef<(), ()>,
    has_run: FunctionRef<(), ()>,
    /// `None` once given back.
    js: Cell<Option<Listener>>,
    env: sys::napi_env,
    has_loop: bool,
    /// Only for those who spin.
    turns: OnceCell<Turns>,
    /// Null once Node forgets it.
    calls: Cell<sys::napi_threadsafe_function>,
    thread: Cell<Option<JoinHandle<()>>>,
    on_closed: OnClosed,
}

impl Shared {
    fn close(&self) {
        if let Some(turns) = self.turns.get() {
            turns.close();
        }
        self.end();
        let calls = self.calls.replace(null_mut());
        if !calls.is_null() {
            // SAFETY: given up once, and its finalizer has not returned, see `finish`. If Node closes it anyway, this only
            // counts.
            unsafe {
                sys::napi_release_threadsafe_function(calls, sys::ThreadsafeFunctionReleaseMode::abort)
            };
        }
        ending::closed(self);
    }

    /// Without Node: ends the thread, and tells so.
    fn end(&self) {
        self.control.end();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.on_closed.tell();
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
        if let Some(turns) = self.turns.get() {
            turns.forget();
        }
        if cfg!(windows) {
            // The system has ended it already, wherever it was, and it cannot be asked how it ended.
            self.control.ended.set(true);
            std::mem::forget(self.thread.take());
        }
        self.end();
    }
}

/// What the thread is told. After the end nothing: it may be gone.
struct Control {
    orders: Orders,
    ended: Cell<bool>,
}

impl Control {
    fn has_run(&self) {
        if !self.ended.get() {
            self.orders.go_on();
        }
    }

    fn end(&self) {
        if !self.ended.replace(true) {
            self.orders.end();
        }
    }
}

/// The thread's part. It ends by order alone, so that whoever gives it finds somebody.
fn keep(mut vigil: Vigil, calls: Calls) {
    while vigil.until_posted() {
        calls.call();
        if !vigil.until_told() {
            return;
        }
    }
}

/// The threadsafe function, in the hands of the thread.
struct Calls(sys::napi_threadsafe_function);

// SAFETY: any thread may call it until it is released or finalized, and both happen only when the thread has ended.
unsafe impl Send for Calls {}

impl Calls {
    /// # Safety
    /// As for [`Waiter::start`].
    unsafe fn new(shared: &Rc<Shared>) -> Result<Calls, String> {
        const NAME: &str = "SLABCAST";
        let env = shared.env;
        let (mut name, mut calls) = (null_mut(), null_mut());
        let data = Rc::into_raw(shared.clone()).cast_mut().cast::<c_void>();
        // SAFETY: `env` is current; `data` is a count that `finish` gives back.
        let status = unsafe {
            sys::napi_create_string_utf8(env, NAME.as_ptr().cast(), NAME.len() as isize, &mut name);
            let (none, finish, call) = (null_mut(), Some(finish as _), Some(call as _));
            sys::napi_create_threadsafe_function(
                env, none, none, name, 0, 1, data, finish, data, call, &mut calls,
            )
        };
        if status != sys::Status::napi_ok {
            shared.on_closed.forget();
            // SAFETY: there is no function that would do so.
            unsafe { finish(env, data, null_mut()) };
            return Err(format!("cannot be called from a thread (napi status {status})"));
        }
        // SAFETY: just made, on the thread of `env`.
        unsafe { sys::napi_unref_threadsafe_function(env, calls) };
        Ok(Calls(calls))
    }

    /// Never blocks: the queue has no bound, and holds one at the most. Refused when the environment ends; the order to end follows.
    fn call(&self) {
        let nonblocking = sys::ThreadsafeFunctionCallMode::nonblocking;
        // SAFETY: neither released nor finalized, as this thread has not ended.
        unsafe { sys::napi_call_threadsafe_function(self.0, null_mut(), nonblocking) };
    }
}

/// Node: the thread has called.
unsafe extern "C" fn call(env: sys::napi_env, _: sys::napi_value, context: *mut c_void, _: *mut c_void) {
    if env.is_null() {
        return; // emptied after the end
    }
    // A count of our own, in case the function runs the loop itself and everything is closed before it returns.
    // SAFETY: the threadsafe function's own count is given back later, in `finish`.
    let shared = unsafe {
        Rc::increment_strong_count(context.cast::<Shared>());
        Rc::from_raw(context.cast::<Shared>())
    };
    if shared.control.ended.get() {
        return;
    }
    if shared.defer_has_run().is_err() {
        shared.control.has_run();
    }
    shared.call();
}

impl Shared {
    fn defer_has_run(&self) -> napi::Result<()> {
        let env = Env::from_raw(self.env);
        let (defer, has_run) = (self.defer.borrow_back(&env)?, self.has_run.borrow_back(&env)?);
        let (receiver, result) = (defer.raw(), null_mut());
        // SAFETY: in a call of `env`; all are values of its scope.
        let status =
            unsafe { sys::napi_call_function(self.env, receiver, defer.raw(), 1, &has_run.raw(), result) };
        if status == sys::Status::napi_ok { Ok(()) } else { Err(napi::Error::from_status(status.into())) }
    }
}

/// Node: the function is forgotten, because it was closed or because the environment ends. That is valid until this
/// returns.
unsafe extern "C" fn finish(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the function's own count, given back once.
    let shared = unsafe { Rc::from_raw(data.cast_const().cast::<Shared>()) };
    shared.close();
    if let Some(listener) = shared.js.take() {
        // SAFETY: `take` lets this happen once.
        unsafe { listener.release() }
    }
}

fn explain(error: impl std::fmt::Display) -> String {
    format!("cannot wait for the semaphore in a thread: {error}")
}
