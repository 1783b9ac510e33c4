//! What those have in common who own handles of libuv's: their memory, the count the handles hold of what they share, and the
//! end of an environment.
//!
//! The environment announces its end by an *asynchronous* cleanup hook: it makes Node run the loop until the hook is removed,
//! and keeps the `napi_env` until then. A synchronous hook cannot wait for the close callbacks, and a handle left in a
//! worker's loop aborts the process. `process.exit()` of the main thread announces nothing at all: see `ending.rs`.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::rc::Rc;

use napi::sys::{self, uv_loop_s};

use super::uv::{self, Uv};

/// The memory of one of libuv's handles. `UnsafeCell`, because libuv writes to it behind shared references; `u128` for its
/// alignment.
pub struct Memory(Box<[UnsafeCell<u128>]>);

impl Memory {
    pub fn of(uv: &Uv, kind: c_int) -> Memory {
        // SAFETY: no preconditions; libuv answers for the handle type it knows under this number.
        let size = unsafe { (uv.handle_size)(kind) };
        let mut memory = Vec::new();
        memory.resize_with(size.div_ceil(size_of::<u128>()), UnsafeCell::default);
        Memory(memory.into_boxed_slice())
    }

    pub fn handle(&self) -> *mut uv::Handle {
        self.0.as_ptr().cast_mut().cast()
    }
}

/// The hook by which the environment's end is known and waits.
#[derive(Default)]
pub struct Teardown(Cell<sys::napi_async_cleanup_hook_handle>);

impl Teardown {
    /// Has `on_end` called with `data` when `env` ends, which then waits for [`Teardown::done`]. Returns its event loop.
    ///
    /// # Safety
    /// `env` is the current environment, called from its own thread; `data` is valid until `done`.
    pub unsafe fn watch(
        &self,
        env: sys::napi_env,
        on_end: sys::napi_async_cleanup_hook,
        data: *mut c_void,
    ) -> Result<*mut uv_loop_s, String> {
        let (mut event_loop, mut hook) = (null_mut(), null_mut());
        // SAFETY: passed on from this function's own contract; the pointers lead to locals.
        let status = unsafe {
            match sys::napi_get_uv_event_loop(env, &mut event_loop) {
                sys::Status::napi_ok => sys::napi_add_async_cleanup_hook(env, on_end, data, &mut hook),
                failed => failed,
            }
        };
        if status != sys::Status::napi_ok {
            return Err(format!("cannot reach the event loop (napi status {status})"));
        }
        self.0.set(hook);
        Ok(event_loop)
    }

    /// The environment may go.
    pub fn done(&self) {
        let hook = self.0.replace(null_mut());
        if !hook.is_null() {
            // SAFETY: a registered hook, removed once.
            unsafe { sys::napi_remove_async_cleanup_hook(hook) };
        }
    }
}

/// A count of the caller's own keeps what the handles share whole even if the function called runs the loop itself (as deasync
/// does) and the last close callback comes before it returns.
///
/// # Safety
/// In one of libuv's callbacks, with the handle it got, before the close callback; the handle's data is a count of `T`.
pub unsafe fn shared_by<T>(handle: *mut uv::Handle) -> Option<Rc<T>> {
    let data = data_of(handle)?.cast_const().cast::<T>();
    // SAFETY: the handles own a count until their close callbacks.
    unsafe {
        Rc::increment_strong_count(data);
        Some(Rc::from_raw(data))
    }
}

pub fn data_of(handle: *mut uv::Handle) -> Option<*mut c_void> {
    let uv = uv::available().ok()?;
    // SAFETY: only called from libuv's callbacks, with the handle they got.
    Some(unsafe { (uv.handle_get_data)(handle) })
}
