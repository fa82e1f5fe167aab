//! The judges: what policies earned, how surely, at what cost to the consumers.
