//! The record of what clients did and saw, and the checkers that judge it
