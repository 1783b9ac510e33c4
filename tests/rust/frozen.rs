//! A process stopped in the middle of a publish: the one who can hold a full slab and is never cut off. Everybody else is
//! told who it is, and all goes on when it is continued, or killed. Needs the feature `kill-points`.
//!
//! Without the harness of Rust's tests: a process that sends itself SIGSTOP stops at that very point only if it has one thread.

#[cfg(unix)]
#[path = "frozen/stopped.rs"]
mod stopped;

fn main() {
    #[cfg(unix)]
    stopped::main();
    #[cfg(windows)]
    println!("Windows stops no process: nothing is tried");
}
