//! Layout, style sheet and assets of every page
