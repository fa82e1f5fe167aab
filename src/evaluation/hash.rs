//! A fingerprint of results: equal integers, equal hash.

use super::Unit;
use crate::protocol::Kpi;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// SHA-256 over what happened according to the records, replication by replication, in hexadecimal.
pub(super) fn of_units(units: &[Unit]) -> String {
    let mut digest = Sha256::new();
    for unit in units {
        let record = &unit.record;
        digest.update(record.consumers.to_le_bytes());
        for tally in &record.series {
            Kpi::HAPPENED.iter().for_each(|&kpi| digest.update(tally.get(kpi).to_le_bytes()));
        }
        record.action_counts.iter().for_each(|count| digest.update(count.to_le_bytes()));
        record.contacts.iter().for_each(|count| digest.update(count.to_le_bytes()));
        digest.update(record.terminal_value_micros.to_le_bytes());
    }
    hexadecimal(&digest.finalize())
}

/// SHA-256 over names and hashes, in order.
pub(super) fn of_all<'a>(named: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut digest = Sha256::new();
    for (name, hash) in named {
        digest.update((name.len() as u64).to_le_bytes());
        digest.update(name.as_bytes());
        digest.update(hash.as_bytes());
    }
    hexadecimal(&digest.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
