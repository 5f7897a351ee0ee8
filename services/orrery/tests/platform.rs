//! The platform as a whole: start, stop, command line, pages.
