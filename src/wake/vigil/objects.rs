//! Orders are events of the kernel, waited for beside the semaphore.

use crate::wake::Waitable;
use crate::wake::body::post;
use crate::windows::owned;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr::null;
use std::sync::Arc;
use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects};

#[derive(Debug)]
struct Events {
    /// Taken by the wait that it ends.
    go_on: OwnedHandle,
    /// Stays.
    end: OwnedHandle,
}

#[derive(Debug)]
pub(crate) struct Orders {
    events: Arc<Events>,
}

#[derive(Debug)]
pub(crate) struct Vigil {
    semaphore: BorrowedHandle<'static>,
    events: Arc<Events>,
}

/// # Safety
/// As for `Vigil::of`.
pub(super) unsafe fn vigil(semaphore: Waitable) -> io::Result<(Orders, Vigil)> {
    let events = Arc::new(Events { go_on: event(false)?, end: event(true)? });
    // SAFETY: passed on from this function's own contract.
    let semaphore = unsafe { semaphore.borrow() };
    Ok((Orders { events: events.clone() }, Vigil { semaphore, events }))
}

fn event(stays: bool) -> io::Result<OwnedHandle> {
    // SAFETY: neither a security descriptor nor a name; this process alone has it.
    owned(unsafe { CreateEventW(null(), stays.into(), 0, null()) })
}

impl Orders {
    pub fn go_on(&self) {
        set(&self.events.go_on);
    }

    pub fn end(&self) {
        set(&self.events.end);
    }
}

fn set(event: &OwnedHandle) {
    // SAFETY: the handle is open.
    unsafe { SetEvent(event.as_raw_handle()) };
}

impl Vigil {
    /// Until there is a post. False: it is over.
    pub fn until_posted(&mut self) -> bool {
        match self.wait_for_end_or(self.semaphore.as_raw_handle()) {
            END => false,
            // The wait took it.
            OTHER => {
                post(self.semaphore);
                true
            }
            // As if there were a post: whoever is told will see.
            _ => true,
        }
    }

    /// Until it may go on. False: it is over.
    pub fn until_told(&mut self) -> bool {
        self.wait_for_end_or(self.events.go_on.as_raw_handle()) == OTHER
    }

    fn wait_for_end_or(&self, other: std::os::windows::io::RawHandle) -> u32 {
        let both = [self.events.end.as_raw_handle(), other];
        // SAFETY: both handles are open. If both came, it is the first that is told.
        unsafe { WaitForMultipleObjects(both.len() as u32, both.as_ptr(), 0, INFINITE) }
    }
}

/// Which of the two it was.
const END: u32 = WAIT_OBJECT_0;
const OTHER: u32 = WAIT_OBJECT_0 + 1;
