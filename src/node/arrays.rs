//! Typed arrays that JavaScript allocates once and the binding reads and writes.
#![allow(unsafe_code)]

use napi::sys;
use std::ptr::{null_mut, slice_from_raw_parts_mut};

/// A typed array that a reference keeps alive; its memory stays where it is, for the module's own arrays are never
/// transferred.
pub(super) struct Array<T> {
    start: *mut T,
    len: usize,
    reference: sys::napi_ref,
}

impl<T> Default for Array<T> {
    fn default() -> Self {
        Array { start: std::ptr::NonNull::dangling().as_ptr(), len: 0, reference: null_mut() }
    }
}

impl<T> Array<T> {
    pub fn slice(&mut self) -> &mut [T] {
        // SAFETY: the reference keeps the array; JavaScript runs on this thread and not during a call.
        unsafe { &mut *slice_from_raw_parts_mut(self.start, self.len) }
    }
}

/// # Safety
/// `value` is undefined or a typed array of T, in a call of `env`.
pub(super) unsafe fn adopt<T>(env: sys::napi_env, value: sys::napi_value, array: &mut Array<T>) {
    // SAFETY: passed on.
    let Some((start, bytes)) = (unsafe { memory_of::<T>(env, value) }) else { return };
    let mut reference = null_mut();
    // SAFETY: `value` is an object of the current scope; the old reference is of the same environment.
    unsafe {
        if sys::napi_create_reference(env, value, 1, &mut reference) != sys::Status::napi_ok {
            return;
        }
        give_back(env, array);
    }
    *array = Array { start, len: bytes / size_of::<T>(), reference };
}

/// # Safety
/// In a call of `env`, in which the array was adopted.
pub(super) unsafe fn give_back<T>(env: sys::napi_env, array: &mut Array<T>) {
    let Array { reference, .. } = std::mem::take(array);
    if !reference.is_null() {
        // SAFETY: made in `adopt`, and nobody knows it any more.
        unsafe { sys::napi_delete_reference(env, reference) };
    }
}

/// Start and length in bytes of a typed array of T's alignment.
///
/// # Safety
/// `value` is any value, in a call of `env`.
pub(super) unsafe fn memory_of<T>(env: sys::napi_env, value: sys::napi_value) -> Option<(*mut T, usize)> {
    let (mut kind, mut len, mut start) = (0, 0, null_mut());
    let mut is_array = false;
    // SAFETY: the pointers lead to locals.
    unsafe {
        if sys::napi_is_typedarray(env, value, &mut is_array) != sys::Status::napi_ok || !is_array {
            return None;
        }
        sys::napi_get_typedarray_info(env, value, &mut kind, &mut len, &mut start, null_mut(), null_mut());
    }
    let width = match kind {
        sys::TypedarrayType::uint8_array => 1,
        sys::TypedarrayType::uint32_array => 4,
        sys::TypedarrayType::float64_array => 8,
        _ => return None,
    };
    if width != size_of::<T>() {
        return None;
    }
    // An empty array may have no memory at all.
    let start = if start.is_null() { std::ptr::NonNull::dangling().as_ptr() } else { start.cast::<T>() };
    Some((start, len * width))
}
