//! Static traits of synthetic consumers, drawn once per consumer.
