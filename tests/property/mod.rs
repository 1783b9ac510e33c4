//! Property tests of the core: random lists of operations against a plain oracle, shrunk when they fail. What loom's space
//! is too small for, without its orders: one operation after the other, but any of them may die at any step.

mod bookmarks;
#[path = "../model/heap.rs"]
mod heap;
mod messages;
mod registry;
