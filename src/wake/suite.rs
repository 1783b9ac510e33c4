//! The semaphore's contract as a suite, over whichever body this build has: the system's, or in a model (`--cfg loom`) the
//! modelled one, in every interleaving.

use super::{Poster, Semaphore, Sleeper};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A watchdog, where something is to come.
const LONG: Duration = Duration::from_secs(60);

#[cfg(loom)]
use loom::thread;
#[cfg(not(loom))]
use std::thread;

/// A test of the contract: run once by the system, by a model as often as it takes.
fn hold(name: &'static str, test: impl Fn(&Scene) + Send + Sync + 'static) {
    let path = std::env::temp_dir().join(format!("slabcast-semaphore-{name}-{}", std::process::id()));
    #[cfg(not(loom))]
    test(&Scene { path });
    #[cfg(loom)]
    loom::model(move || test(&Scene { path: path.clone() }));
}

/// Where the semaphore is. What is made there is removed again.
struct Scene {
    path: PathBuf,
}

impl Scene {
    fn semaphore(&self) -> Semaphore {
        Semaphore::create(&self.path, 0o600).expect("create")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn poster(path: &Path, semaphore: &Semaphore) -> Poster {
    find(path, Sleeper::on(semaphore)).expect("a sleeper")
}

fn find(path: &Path, sleeper: Sleeper) -> Option<Poster> {
    Poster::open(path, &sleeper).expect("open")
}

/// Whether a wait would end at once.
fn is_posted(semaphore: &Semaphore) -> bool {
    #[cfg(not(loom))]
    return semaphore.wait(Duration::ZERO);
    #[cfg(loom)]
    return semaphore.is_posted();
}

#[test]
fn a_post_before_the_wait_ends_it_and_emptying_takes_them_all() {
    hold("posts", |scene| {
        let semaphore = scene.semaphore();
        let poster = poster(&scene.path, &semaphore);
        assert!(!is_posted(&semaphore));
        for _ in 0..3 {
            assert!(poster.post());
        }
        assert!(semaphore.wait(LONG));
        semaphore.empty();
        assert!(!is_posted(&semaphore));
    });
}

#[test]
fn a_post_stays_until_it_is_emptied_whoever_waited_for_it() {
    hold("stays", |scene| {
        let semaphore = scene.semaphore();
        assert!(poster(&scene.path, &semaphore).post());
        for _ in 0..3 {
            assert!(semaphore.wait(LONG));
        }
        semaphore.empty();
        semaphore.empty();
        assert!(!is_posted(&semaphore));
    });
}

#[test]
fn a_post_during_the_wait_ends_it_from_another_thread() {
    hold("during", |scene| {
        let semaphore = scene.semaphore();
        let poster = poster(&scene.path, &semaphore);
        let posting = thread::spawn(move || assert!(poster.post()));
        assert!(semaphore.wait(LONG));
        posting.join().expect("posted");
    });
}

#[test]
fn of_two_that_post_at_once_neither_is_lost_after_an_emptying() {
    hold("two", |scene| {
        let semaphore = scene.semaphore();
        let posting = [(); 2].map(|()| {
            let poster = poster(&scene.path, &semaphore);
            thread::spawn(move || assert!(poster.post()))
        });
        semaphore.empty();
        for poster in posting {
            poster.join().expect("posted");
        }
        // What came before the emptying went with it; nobody is posted to for nothing afterwards.
        semaphore.empty();
        assert!(!is_posted(&semaphore));
        assert!(poster(&scene.path, &semaphore).post());
        assert!(semaphore.wait(LONG));
    });
}

#[test]
fn more_posts_than_it_can_hold_neither_block_nor_fail() {
    let posts = if cfg!(loom) { 3 } else { 200_000 };
    hold("full", move |scene| {
        let semaphore = scene.semaphore();
        let poster = poster(&scene.path, &semaphore);
        for _ in 0..posts {
            assert!(poster.post());
        }
        semaphore.empty();
        assert!(!is_posted(&semaphore));
    });
}

#[test]
#[cfg(not(loom))] // no time passes in a model
fn a_wait_without_a_post_ends_with_its_timeout() {
    hold("timeout", |scene| {
        let semaphore = scene.semaphore();
        for timeout in [Duration::from_micros(300), Duration::from_millis(20)] {
            let start = std::time::Instant::now();
            assert!(!semaphore.wait(timeout));
            assert!(start.elapsed() >= timeout, "{:?} of {timeout:?}", start.elapsed());
        }
    });
}

#[test]
fn nobody_is_found_where_there_is_no_semaphore_or_it_is_gone() {
    hold("gone", |scene| {
        let semaphore = scene.semaphore();
        let sleeper = Sleeper::on(&semaphore);
        assert!(find(&scene.path.with_extension("another"), sleeper).is_none());
        assert!(find(&scene.path, sleeper).is_some());
        drop(semaphore);
        assert!(find(&scene.path, sleeper).is_none());
    });
}

#[test]
#[cfg(not(loom))] // nobody dies in a model but where it says so
fn a_poster_learns_that_the_sleeper_is_gone_where_its_system_tells() {
    hold("learns", |scene| {
        let semaphore = scene.semaphore();
        let poster = poster(&scene.path, &semaphore);
        drop(semaphore);
        assert_eq!(poster.post(), !Poster::LEARNS_OF_THE_GONE);
    });
}
