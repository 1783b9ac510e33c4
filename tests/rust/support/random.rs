//! splitmix64, from a printed seed.

use std::time::Duration;

pub struct Random(pub u64);

impl Random {
    pub fn new() -> Random {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
        let seed = std::env::var("SLABCAST_SEED")
            .map_or(now.as_nanos() as u64, |text| text.parse().expect("a seed"));
        println!("SLABCAST_SEED={seed}");
        Random(seed)
    }
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
    /// Up to `micros`, spun or slept away: when the kill comes is chance, nothing depends on it.
    pub fn pause(&mut self, micros: u64) {
        std::thread::sleep(Duration::from_micros(self.below(micros)));
    }
}
