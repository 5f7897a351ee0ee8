//! Problem details (RFC 9457) with stable codes
