//! Traces, metrics and logs of one role
