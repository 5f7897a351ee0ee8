//! Event streams: 16 partitions, pinned consumers, counted deliveries, dead letters
