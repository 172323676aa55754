//! A random generator of our own, so that the scripts of a seed never change.

/// SplitMix64.
pub(super) struct Random(u64);

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The generator of one schedule. The sequences of neighbours do not overlap.
    pub(super) fn of(seed: u64, number: u64) -> Self {
        Self(mixed(mixed(seed.wrapping_add(1)).wrapping_add(number)))
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mixed(self.0) % bound.max(1) as u64) as usize
    }
}

/// A seed of its own for each of many rows, by FNV-1a.
pub(super) fn seed_of(seed: u64, name: &str, check: usize) -> u64 {
    let bytes = name.bytes().chain((check as u64).to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mixed(hash ^ mixed(seed))
}
