//! A Rust program that sends back whatever comes on `there`, as `back`: decoded by rmp-serde into a value of any kind, extension
//! types too, and encoded anew.
//!
//!     cargo run --example rust_mirror -- my-bus

use slabcast::{Bus, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: rust_mirror <name of the bus>")?;
    let mut bus = Bus::open(Options::new(name))?;
    bus.subscribe("there")?;
    println!("ready");
    loop {
        let message = bus.recv()?;
        if message.is_raw() {
            return Ok(());
        }
        let value: rmpv::Value = message.decode()?;
        bus.publish("back", &value)?;
    }
}
