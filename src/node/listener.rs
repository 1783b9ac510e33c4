//! A JavaScript function that the event loop calls, as it calls Node's own: in the async context it was given in
//! (AsyncLocalStorage), with microtasks and `process.nextTick` after it, and what it throws is an uncaught exception.
//! When it is called, the pump and the waiter know.
#![allow(unsafe_code)]

use std::ptr::{null, null_mut};

use napi::sys;

/// The function, in handles that stay valid until `release`. A copy is only used as long as the original is known to be
/// there.
#[derive(Clone, Copy)]
pub struct Listener {
    env: sys::napi_env,
    function: sys::napi_ref,
    /// The async resource, and `this` of the call. Node holds it only weakly, and without it the
    /// AsyncLocalStorage store would be lost.
    resource: sys::napi_ref,
    context: sys::napi_async_context,
}

impl Listener {
    /// # Safety
    /// `env` is the current environment, called from its own thread, and `function` a value of an open scope.
    pub unsafe fn new(env: sys::napi_env, function: sys::napi_value) -> Result<Listener, String> {
        let mut listener = Listener { env, function: null_mut(), resource: null_mut(), context: null_mut() };
        // SAFETY: passed on from this function's own contract.
        match unsafe { listener.fill(function) } {
            Ok(()) => Ok(listener),
            Err(status) => {
                // SAFETY: what `fill` made is not used by anybody yet.
                unsafe { listener.release() };
                Err(format!("cannot call back into JavaScript (napi status {status})"))
            }
        }
    }

    /// # Safety
    /// As for `new`.
    unsafe fn fill(&mut self, value: sys::napi_value) -> Result<(), sys::napi_status> {
        const NAME: &str = "SLABCAST";
        let env = self.env;
        let (mut kind, mut name, mut resource) = (sys::ValueType::napi_undefined, null_mut(), null_mut());
        // SAFETY: `env` is current, `value` a value of it; all other pointers lead to locals.
        unsafe {
            check(sys::napi_typeof(env, value, &mut kind))?;
            if kind != sys::ValueType::napi_function {
                return Err(sys::Status::napi_function_expected);
            }
            check(sys::napi_create_string_utf8(env, NAME.as_ptr().cast(), NAME.len() as isize, &mut name))?;
            check(sys::napi_create_object(env, &mut resource))?;
            check(sys::napi_create_reference(env, value, 1, &mut self.function))?;
            check(sys::napi_create_reference(env, resource, 1, &mut self.resource))?;
            check(sys::napi_async_init(env, resource, name, &mut self.context))
        }
    }

    /// Calls the function from the event loop. Where Node refuses, because the environment is on its way out,
    /// that is the end of it: there is nobody left to tell.
    ///
    /// # Safety
    /// On the thread of `env`, from the event loop, before `release`.
    pub unsafe fn call(self) {
        let env = self.env;
        let (mut scope, mut function, mut resource) = (null_mut(), null_mut(), null_mut());
        // SAFETY: everything is valid until `release`, and the function, which may lead to that, comes last.
        unsafe {
            if sys::napi_open_handle_scope(env, &mut scope) != sys::Status::napi_ok {
                return;
            }
            let called = check(sys::napi_get_reference_value(env, self.function, &mut function))
                .and_then(|()| check(sys::napi_get_reference_value(env, self.resource, &mut resource)))
                .and_then(|()| {
                    let result = null_mut();
                    check(sys::napi_make_callback(env, self.context, resource, function, 0, null(), result))
                });
            if called.is_err() {
                report(env);
            }
            sys::napi_close_handle_scope(env, scope);
        }
    }

    /// Works during teardown as well: none of these run JavaScript or need a handle scope.
    ///
    /// # Safety
    /// On the thread of `env`, once, and no copy of it is used afterwards.
    pub unsafe fn release(self) {
        // SAFETY: each handle is null or valid. The context goes first because it refers to the resource.
        unsafe {
            if !self.context.is_null() {
                sys::napi_async_destroy(self.env, self.context);
            }
            if !self.resource.is_null() {
                sys::napi_delete_reference(self.env, self.resource);
            }
            if !self.function.is_null() {
                sys::napi_delete_reference(self.env, self.function);
            }
        }
    }
}

/// Makes what the function threw an uncaught exception. A refused call has thrown nothing.
///
/// # Safety
/// On the thread of `env`, with an open handle scope.
unsafe fn report(env: sys::napi_env) {
    let (mut pending, mut exception) = (false, null_mut());
    // SAFETY: `env` is valid and has an open scope by this function's contract; the pointers lead to locals.
    unsafe {
        sys::napi_is_exception_pending(env, &mut pending);
        if !pending {
            return;
        }
        if sys::napi_get_and_clear_last_exception(env, &mut exception) == sys::Status::napi_ok {
            sys::napi_fatal_exception(env, exception);
        }
        // If the environment was ended meanwhile, its termination is left behind as a pending exception,
        // which would make somebody else's next call fail.
        sys::napi_get_and_clear_last_exception(env, &mut exception);
    }
}

fn check(status: sys::napi_status) -> Result<(), sys::napi_status> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(status) }
}
