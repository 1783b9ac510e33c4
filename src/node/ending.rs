//! How the end of a wake-up is told: once, whoever ends it, on the thread of its environment. Also when the main thread
//! calls `process.exit()`, which Node announces to nobody: then the C library's `exit` runs a destructor of that thread,
//! after Node has joined the workers. (Not under musl, which has no such destructors. There the end is like a kill, left
//! to those who look after the dead.)

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::rc::{Rc, Weak};

/// What is called at the end.
pub struct OnClosed(Cell<Option<Box<dyn FnOnce()>>>);

impl OnClosed {
    pub fn new(function: Box<dyn FnOnce()>) -> OnClosed {
        OnClosed(Cell::new(Some(function)))
    }

    /// The first time.
    pub fn tell(&self) {
        if let Some(function) = self.0.take() {
            // A panic must not reach Node or the C library; the panic hook has already told about it.
            let _ = catch_unwind(AssertUnwindSafe(function));
        }
    }

    /// It is not called any more.
    pub fn forget(&self) {
        drop(self.0.take());
    }
}

/// What can end in `exit`.
pub trait AtExit {
    /// Neither libuv nor Node may be touched any more.
    fn at_exit(&self);
}

/// What of one thread is open. Empty when a worker's thread ends, because its environment closed everything.
struct Open {
    pid: u32,
    entries: RefCell<BTreeMap<*const (), Weak<dyn AtExit>>>,
}

thread_local! {
    static OPEN: Open = Open { pid: process::id(), entries: RefCell::default() };
}

pub fn opened<T: AtExit + 'static>(opened: &Rc<T>) {
    let entry: Rc<dyn AtExit> = opened.clone();
    // Refused only while the thread ends, when nothing is opened.
    let _ = OPEN.try_with(|open| open.entries.borrow_mut().insert(key(&**opened), Rc::downgrade(&entry)));
}

pub fn closed<T: AtExit>(closed: &T) {
    let _ = OPEN.try_with(|open| open.entries.borrow_mut().remove(&key(closed)));
}

fn key<T>(entry: &T) -> *const () {
    std::ptr::from_ref(entry).cast()
}

impl Drop for Open {
    fn drop(&mut self) {
        // A fork without exec has a copy of the list, but what is in it is its parent's.
        if self.pid == process::id() {
            for entry in self.entries.take().into_values().filter_map(|entry| entry.upgrade()) {
                entry.at_exit();
            }
        }
    }
}
