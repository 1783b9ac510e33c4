//! A Rust program on the same bus as Node workers: answers each chat message on `to-rust` with one on `to-node`.
//!
//!     cargo run --example rust_peer -- my-bus
//!
//! and in Node: `require('slabcast').open({ name: 'my-bus' })`.

use serde::{Deserialize, Serialize};
use slabcast::{Bus, Options};

#[derive(Serialize, Deserialize)]
struct Chat {
    from: String,
    text: String,
    at: f64,
    #[serde(default)]
    tags: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: rust_peer <name of the bus>")?;
    let mut bus = Bus::open(Options::new(name))?;
    bus.subscribe("to-rust")?;
    println!("ready");
    loop {
        let message = bus.recv()?;
        if message.is_raw() {
            bus.publish_raw("to-node", message.bytes())?;
            continue;
        }
        let mut chat: Chat = message.decode()?;
        if chat.text == "bye" {
            return Ok(());
        }
        chat.text = chat.text.chars().rev().collect();
        chat.from = format!("rust, to {}", chat.from);
        bus.publish("to-node", &chat)?;
    }
}
