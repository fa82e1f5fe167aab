//! A finite decision process given by tables.
