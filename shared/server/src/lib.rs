//! The HTTP server every role stands on
