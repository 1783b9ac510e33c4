//! A Rust program on the same bus as Node workers: answers each chat message on `to-rust` with one on `to-node`, requests of `shout` with
//! their text in capitals; before it shouts, it asks who responds to `may-shout` whether it may.
//!
//!     cargo run --example rust_peer -- my-bus
//!
//! and in Node: `require('slabcast').open({ name: 'my-bus' })`.

use serde::{Deserialize, Serialize};
use slabcast::{Bus, HandlerError, Message, Options};
use std::time::Duration;

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
    bus.respond("shout")?;
    println!("ready");
    loop {
        let message = bus.recv()?;
        if message.is_request() {
            match shouted(&mut bus, &message) {
                Ok(text) => bus.reply(&message, &text)?,
                Err(error) => bus.reply_error(&message, &HandlerError::new(error.to_string()))?,
            }
            continue;
        }
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

fn shouted(bus: &mut Bus, request: &Message) -> Result<String, Box<dyn std::error::Error>> {
    let text: String = request.decode()?;
    let allowed: bool = bus.request("may-shout", &text, Duration::from_secs(5))?.decode()?;
    if allowed { Ok(text.to_uppercase()) } else { Err("not here".into()) }
}
