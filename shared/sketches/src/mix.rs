/// Spreads a number evenly over 64 bits, one to one: the finalizer of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
/// number generators", 2014). Part of the data format: stored sketches hold what it answered.
pub const fn mix64(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::mix64;

    #[test]
    fn the_mix_of_a_number_never_changes() {
        // The first numbers of the reference generator with seeds 0 and 1234567.
        assert_eq!(mix64(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix64(1_234_567), 6_457_827_717_110_365_317);
    }
}
