//! The fold against an exact reference.
