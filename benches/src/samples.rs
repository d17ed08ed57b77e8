//! Sample messages for compression, each slightly different from the one before.

use core::fmt::Write;

/// The name of a kind of message, and messages of this kind.
pub type Sample = (&'static str, Vec<Vec<u8>>);

/// Returns chat messages with metadata, market updates with twenty levels on each side, and bytes
/// that cannot be compressed.
pub fn samples(count: u64) -> [Sample; 3] {
    [
        ("chat", (0..count).map(chat).collect()),
        ("tick", (0..count).map(tick).collect()),
        ("noise", (0..count).map(noise).collect()),
    ]
}

fn chat(n: u64) -> Vec<u8> {
    let mut random = Random(n);
    let words = (0..12).map(|_| WORDS[random.below(WORDS.len())]);
    let text = words.collect::<Vec<_>>().join(" ");
    format!(
        "{{\"type\":\"message\",\"id\":\"{:016x}\",\"room\":\"general\",\"from\":{{\"id\":{},\"name\":\"{}\"}},\
         \"sent\":\"2026-05-{:02}T{:02}:{:02}:{:02}.{:03}Z\",\"text\":\"{text}\",\"mentions\":[],\"edited\":false}}",
        random.next(),
        random.below(100_000),
        WORDS[random.below(WORDS.len())],
        1 + random.below(30),
        random.below(24),
        random.below(60),
        random.below(60),
        random.below(1_000),
    )
    .into_bytes()
}

fn tick(n: u64) -> Vec<u8> {
    let mut random = Random(n ^ 0x71C4);
    let mut out = format!(
        "{{\"channel\":\"book\",\"symbol\":\"STN-EUR\",\"sequence\":{},",
        90_000 + n
    );
    for (side, sign) in [("bids", -1.0), ("asks", 1.0)] {
        write!(out, "\"{side}\":[").expect("a string takes it");
        for level in 1..=20 {
            let price = 1_024.0 + sign * f64::from(level) * 0.05;
            let size = random.below(90_000) as f64 / 1_000.0;
            let comma = if level == 1 { "" } else { "," };
            write!(out, "{comma}[\"{price:.2}\",\"{size:.3}\"]").expect("a string takes it");
        }
        out.push_str("],");
    }
    write!(out, "\"ts\":{}}}", 1_760_000_000_000 + n * 37).expect("a string takes it");
    out.into_bytes()
}

fn noise(n: u64) -> Vec<u8> {
    let mut random = Random(n ^ 0x0153);
    (0..1_024).map(|_| random.next() as u8).collect()
}

/// A splitmix64 generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

const WORDS: [&str; 40] = [
    "the", "release", "is", "out", "please", "look", "at", "this", "when", "you", "have", "time",
    "thanks", "tomorrow", "meeting", "moved", "to", "three", "who", "can", "review", "my",
    "change", "build", "green", "again", "lunch", "anyone", "server", "restart", "soon", "logs",
    "show", "nothing", "odd", "works", "for", "me", "now", "great",
];
