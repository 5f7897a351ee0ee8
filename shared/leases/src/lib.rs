//! Leases whose record says until when ids may be issued
