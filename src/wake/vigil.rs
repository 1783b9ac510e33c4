//! Keeping vigil: one thread waits for another's semaphore, and for what that tells it.
//!
//! ```text
//! the vigil    until posted ---> (tells its side) ---> until it may go on ---> again
//! orders                         go_on                                         end: whichever it waits for
//! ```
//!
//! The contract, the same over both bodies: a post that is not emptied ends the next wait, too; `go_on` ends one wait, also
//! if nobody waits for it yet; after `end` the vigil is over as soon as what was said before is obeyed. Who gives orders never
//! blocks.
#![allow(unsafe_code)]

use super::Waitable;
use std::io;

#[cfg_attr(unix, path = "vigil/polling.rs")]
#[cfg_attr(windows, path = "vigil/objects.rs")]
mod body;
pub(crate) use body::{Orders, Vigil};

impl Vigil {
    /// A vigil, for the thread that keeps it, and the orders it obeys.
    ///
    /// # Safety
    /// The semaphore is there until the vigil is dropped.
    pub unsafe fn of(semaphore: Waitable) -> io::Result<(Orders, Vigil)> {
        // SAFETY: passed on from this function's own contract.
        unsafe { body::vigil(semaphore) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Poster, Semaphore, Sleeper};
    use super::*;
    use std::path::PathBuf;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);

    /// A thread that keeps vigil, and says when it was posted to.
    struct Scene {
        path: PathBuf,
        semaphore: Semaphore,
        poster: Poster,
        orders: Orders,
        posted: Receiver<()>,
        thread: JoinHandle<()>,
    }

    fn scene(name: &str) -> Scene {
        let path = std::env::temp_dir().join(format!("slabcast-vigil-{name}-{}", std::process::id()));
        let semaphore = Semaphore::create(&path, 0o600).expect("create");
        let poster = Poster::open(&path, &Sleeper::on(&semaphore)).expect("open").expect("a sleeper");
        // SAFETY: the scene joins the thread before the semaphore goes.
        let (orders, mut vigil) = unsafe { Vigil::of(semaphore.waitable()) }.expect("a vigil");
        let (tell, posted) = channel();
        let thread = thread::spawn(move || {
            while vigil.until_posted() {
                tell.send(()).expect("heard");
                if !vigil.until_told() {
                    break;
                }
            }
        });
        Scene { path, semaphore, poster, orders, posted, thread }
    }

    impl Scene {
        fn end(self) {
            self.orders.end();
            self.thread.join().expect("it ends");
            let _ = std::fs::remove_file(self.path);
            drop(self.semaphore);
        }
        fn is_told(&self) -> bool {
            self.posted.recv_timeout(LONG).is_ok()
        }
        /// It is told of nothing, though it had the time.
        fn hears_nothing(&self) -> bool {
            self.posted.recv_timeout(Duration::from_millis(50)).is_err()
        }
    }

    #[test]
    fn it_tells_of_a_post_once_and_again_when_it_may_go_on_until_that_is_emptied() {
        let scene = scene("told");
        assert!(scene.hears_nothing());
        assert!(scene.poster.post() && scene.is_told());
        assert!(scene.poster.post() && scene.hears_nothing());
        for _ in 0..3 {
            scene.orders.go_on();
            assert!(scene.is_told());
        }
        scene.semaphore.empty();
        scene.orders.go_on();
        assert!(scene.hears_nothing());
        assert!(scene.poster.post() && scene.is_told());
        scene.end();
    }

    #[test]
    fn it_leaves_the_post_to_who_sleeps() {
        let scene = scene("leaves");
        assert!(scene.poster.post() && scene.is_told());
        assert!(scene.semaphore.wait(LONG));
        scene.end();
    }

    #[test]
    fn it_ends_while_it_waits_for_a_post() {
        let scene = scene("idle");
        assert!(scene.hears_nothing());
        scene.end();
    }

    #[test]
    fn it_ends_while_it_waits_to_go_on_and_though_it_may() {
        for may_go_on in [false, true] {
            let scene = scene("busy");
            assert!(scene.poster.post() && scene.is_told());
            scene.orders.end();
            if may_go_on {
                scene.orders.go_on();
            }
            scene.end();
        }
    }
}
