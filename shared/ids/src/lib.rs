//! Snowflake ids: 41 bits of milliseconds, 10 of worker, 12 of sequence
