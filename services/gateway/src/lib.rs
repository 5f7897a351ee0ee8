//! The gateway: routes, identity, limits, deadlines
