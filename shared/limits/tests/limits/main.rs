//! The limiters' promises: the bucket's by itself, the port's on every engine, and what several processes share.

#[macro_use]
mod contract;
mod bucket;
mod engines;
mod redis;
mod shared;

use engines::{Memory, OnRedis, Shared};

mod memory {
    use super::Memory;
    contract_suite!(Some(Memory::new()));
}

mod on_redis {
    use super::OnRedis;
    contract_suite!(OnRedis::found("limits_contract").await);
}

mod on_redis_and_own {
    use super::Shared;
    contract_suite!(Shared::found("limits_contract").await);
}
