//! SQLite pools: open, migrate, health, named transactions
