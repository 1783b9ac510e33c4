//! The few libuv functions that the pump and those who spin need, looked up in the running host.
//!
//! Linking them would keep the addon from loading wherever the host exports no libuv (Deno, some embedders),
//! although everything but those works there. So they are resolved once, when the first member is opened, and a missing
//! one means that a thread waits, and that nobody spins. Only `pump.rs`, `turns.rs` and `handles.rs` call them. Finding the symbols does not mean
//! that they work: Bun exports them and aborts when they are called. JavaScript knows, see `js/native.js`.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute_copy;
use std::sync::OnceLock;

use napi::sys::uv_loop_s;

/// A `uv_poll_t`, `uv_prepare_t` or `uv_idle_t`, and therefore also a `uv_handle_t`. [`Uv::handle_size`] knows its size, at
/// run time only.
#[repr(C)]
pub struct Handle {
    _opaque: [u8; 0],
}

/// `uv_poll_cb`: the handle, 0 or a negative errno, the events.
#[cfg(unix)]
pub type PollCallback = unsafe extern "C" fn(*mut Handle, c_int, c_int);
/// `uv_prepare_cb` and `uv_idle_cb`.
pub type TurnCallback = unsafe extern "C" fn(*mut Handle);
/// `uv_close_cb`.
pub type CloseCallback = unsafe extern "C" fn(*mut Handle);

/// Of `uv_handle_type`; the numbers are part of libuv 1's ABI.
pub const IDLE: c_int = 6;
#[cfg(unix)]
pub const POLL: c_int = 8;
pub const PREPARE: c_int = 9;
/// `UV_READABLE` of `uv_poll_event`.
#[cfg(unix)]
pub const READABLE: c_int = 1;

/// libuv's functions under their own names, without the prefix.
pub struct Uv {
    pub handle_size: unsafe extern "C" fn(kind: c_int) -> usize,
    pub handle_set_data: unsafe extern "C" fn(*mut Handle, *mut c_void),
    pub handle_get_data: unsafe extern "C" fn(*const Handle) -> *mut c_void,
    #[cfg(unix)]
    pub poll_init: unsafe extern "C" fn(*mut uv_loop_s, *mut Handle, fd: c_int) -> c_int,
    #[cfg(unix)]
    pub poll_start: unsafe extern "C" fn(*mut Handle, events: c_int, PollCallback) -> c_int,
    pub prepare_init: unsafe extern "C" fn(*mut uv_loop_s, *mut Handle) -> c_int,
    pub prepare_start: unsafe extern "C" fn(*mut Handle, TurnCallback) -> c_int,
    pub idle_init: unsafe extern "C" fn(*mut uv_loop_s, *mut Handle) -> c_int,
    pub idle_start: unsafe extern "C" fn(*mut Handle, TurnCallback) -> c_int,
    pub idle_stop: unsafe extern "C" fn(*mut Handle) -> c_int,
    /// How long, in ms, the loop may block as things stand: 0 not at all, or it cannot be told; -1 without end.
    pub backend_timeout: unsafe extern "C" fn(*const uv_loop_s) -> c_int,
    pub close: unsafe extern "C" fn(*mut Handle, CloseCallback),
    /// Named with the underscore because `ref` is a keyword.
    #[cfg(unix)]
    pub ref_: unsafe extern "C" fn(*mut Handle),
    pub unref: unsafe extern "C" fn(*mut Handle),
}

/// The table, or which symbol the host lacks.
pub fn available() -> Result<&'static Uv, String> {
    static TABLE: OnceLock<Result<Uv, String>> = OnceLock::new();
    TABLE.get_or_init(resolve).as_ref().map_err(String::clone)
}

fn resolve() -> Result<Uv, String> {
    // SAFETY: each symbol is stored in the field of the same name, whose type is libuv 1's declaration of it.
    unsafe {
        Ok(Uv {
            handle_size: symbol(c"uv_handle_size")?,
            handle_set_data: symbol(c"uv_handle_set_data")?,
            handle_get_data: symbol(c"uv_handle_get_data")?,
            #[cfg(unix)]
            poll_init: symbol(c"uv_poll_init")?,
            #[cfg(unix)]
            poll_start: symbol(c"uv_poll_start")?,
            prepare_init: symbol(c"uv_prepare_init")?,
            prepare_start: symbol(c"uv_prepare_start")?,
            idle_init: symbol(c"uv_idle_init")?,
            idle_start: symbol(c"uv_idle_start")?,
            idle_stop: symbol(c"uv_idle_stop")?,
            backend_timeout: symbol(c"uv_backend_timeout")?,
            close: symbol(c"uv_close")?,
            #[cfg(unix)]
            ref_: symbol(c"uv_ref")?,
            unref: symbol(c"uv_unref")?,
        })
    }
}

/// # Safety
/// `F` must be the function pointer type of the symbol called `name`.
unsafe fn symbol<F: Copy>(name: &CStr) -> Result<F, String> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    let address = address_of(name);
    if address.is_null() {
        let name = name.to_string_lossy();
        return Err(format!(
            "this host does not export libuv's {name}, which slabcast needs to work in its event loop"
        ));
    }
    // SAFETY: not null, as wide as a pointer (asserted above), and of type `F` by this function's contract.
    Ok(unsafe { transmute_copy::<*mut c_void, F>(&address) })
}

#[cfg(unix)]
fn address_of(name: &CStr) -> *mut c_void {
    // SAFETY: `name` ends in NUL; the default scope is the host and what it loaded globally.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// As Node's own symbols are found: in the program, whatever it is called.
#[cfg(windows)]
fn address_of(name: &CStr) -> *mut c_void {
    use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
    // SAFETY: `name` ends in NUL; the program is there as long as this process.
    let address = unsafe { GetProcAddress(GetModuleHandleW(std::ptr::null()), name.as_ptr().cast()) };
    address.map_or(std::ptr::null_mut(), |function| function as *mut c_void)
}
