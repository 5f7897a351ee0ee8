//! Statements out of a file: the protocol takes one at a time.
