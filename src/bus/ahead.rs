//! Mapping the slab's pages ahead of a publisher's first lap. The memory is there since the bus was made, but each process meets
//! each page once, at the price of a fault: 1.3 to 2 us where it writes, and 0.3 us where many are asked for at once (0.8
//! where nobody has been yet). Not at open: what a bus adds to a process that hardly uses it stays small.

use crate::segment::Segment;

/// Bytes mapped at once: some 20 us, between two messages and not while one is written.
const STRETCH: u64 = 256 << 10;
/// Others have moved the slab on by then: mapping begins where two messages follow each other closely.
const NEAR: u64 = 4096;

#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Slab positions below it are seen to.
    until: u64,
    /// Bytes mapped by now.
    mapped: u64,
}

impl Ahead {
    /// A message has been written that ends at this slab position.
    #[inline]
    pub fn reached(&mut self, position: u64, segment: &Segment) {
        if position >= self.until {
            self.go_on(position, segment);
        }
    }

    #[cold]
    fn go_on(&mut self, position: u64, segment: &Segment) {
        if position - self.until >= STRETCH {
            self.until = position + NEAR;
            return;
        }
        let is_mapped = segment.map_ahead(position, STRETCH);
        self.mapped += STRETCH;
        self.until = position + STRETCH;
        // All of it; or the system does not know how, and faults do.
        if !is_mapped || self.mapped > segment.sizes().slab_bytes {
            self.until = u64::MAX;
        }
    }
}

/// Other systems are not asked for pages, and do not tell which are mapped.
#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use super::STRETCH;
    use crate::bus::{Attachment, Options};
    use std::time::Duration;

    /// Bytes of the segment that are mapped into this process.
    fn mapped(bus: &Attachment) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("maps");
        let (_, of_segment) = maps.split_once(bus.segment().id()).expect("its mapping");
        let line = of_segment.lines().find(|line| line.starts_with("Rss:")).expect("its size");
        line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") << 10
    }

    #[test]
    fn pages_are_mapped_before_a_publisher_meets_them_and_not_before_it_publishes() {
        const BODY: u64 = 960;
        let options = Options { size: 1 << 20, ..Options::new(format!("unit-ahead-{}", std::process::id())) };
        let mut bus = Attachment::open(&options).expect("open");
        let topic = bus.topic("t", Duration::from_secs(60)).expect("a topic");
        let at_first = mapped(&bus);
        let publish = |bus: &mut Attachment, bytes| {
            for _ in 0..bytes / (BODY + 64) {
                bus.publish_all(topic, 0, std::iter::once(&[7; BODY as usize][..])).expect("room");
            }
        };
        // One here and there maps its own pages alone.
        publish(&mut bus, 1024);
        let one = mapped(&bus) - at_first;
        assert!(one <= STRETCH / 4, "{one}");
        publish(&mut bus, 8 << 10);
        let few = mapped(&bus) - at_first;
        assert!((STRETCH..2 * STRETCH).contains(&few), "{few}");
        // All of it, round the end.
        publish(&mut bus, 2 << 20);
        assert!(mapped(&bus) - at_first >= 1 << 20);
    }
}
