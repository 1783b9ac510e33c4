//! loom models of the protocol's real code, over parts built on the heap. Each test is named by a race; each has a mutant
//! in tests/mutants that it catches. See tests/README.md.

mod bench;
mod floor;
mod group;
mod heap;
mod help;
mod order;
mod patterns;
mod reading;
mod replay;
mod sleep;
mod topics;
