//! The semaphore's body in a model: the contract of `wake`, over loom's mutex and condition variable, found by path as
//! a FIFO is. A sleep that nobody ends is a deadlock, which loom reports. Timeouts never pass: no tick saves a lost post.

use super::Sleeper;
use loom::sync::{Condvar, Mutex};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
struct Posts {
    any: Mutex<bool>,
    came: Condvar,
}

// One OS thread runs all threads of a model.
thread_local! {
    static THERE: RefCell<HashMap<PathBuf, Arc<Posts>>> = RefCell::default();
}

impl Posts {
    fn set(&self, any: bool) {
        *self.any.lock().expect("no thread dies posting") = any;
        if any {
            self.came.notify_all();
        }
    }
}

/// The sleeper's end.
#[derive(Debug)]
pub(crate) struct Semaphore {
    path: PathBuf,
    posts: Arc<Posts>,
}

impl Semaphore {
    pub fn create(path: &Path, _mode: u32) -> io::Result<Semaphore> {
        let posts = Arc::new(Posts { any: Mutex::new(false), came: Condvar::new() });
        THERE.with_borrow_mut(|there| there.insert(path.into(), posts.clone()));
        Ok(Semaphore { path: path.into(), posts })
    }

    pub fn descriptor(&self) -> u32 {
        0
    }

    pub fn empty(&self) {
        self.posts.set(false);
    }

    pub fn wait(&self, _timeout: Duration) -> bool {
        let mut any = self.posts.any.lock().expect("no thread dies posting");
        while !*any {
            any = self.posts.came.wait(any).expect("no thread dies posting");
        }
        true
    }

    /// Whether a wait would end at once.
    #[cfg(test)]
    pub fn is_posted(&self) -> bool {
        *self.posts.any.lock().expect("no thread dies posting")
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        THERE.with_borrow_mut(|there| there.remove(&self.path));
    }
}

/// A poster's end.
#[derive(Debug)]
pub(crate) struct Poster(Arc<Posts>);

impl Poster {
    pub fn open(path: &Path, _sleeper: &Sleeper) -> io::Result<Option<Poster>> {
        Ok(THERE.with_borrow(|there| there.get(path).cloned()).map(Poster))
    }

    pub fn post(&self) -> bool {
        self.0.set(true);
        true
    }
}
