//! What can be sent: channels, offers, creatives and the hours at which messages go out.

use crate::registry::{Entry, Parameter, Range, Values};

/// Keys of `[[offer]]`.
pub const OFFER: &[Parameter] = &[
    Parameter::of("name", crate::registry::Kind::Text { default: None }, "unique name").required(),
    Parameter::number("discount", 0.0, Range::half_open(0.0, 1.0), "share of the price taken off"),
];

/// Keys of `[[creative]]`.
pub const CREATIVE: &[Parameter] =
    &[Parameter::of("name", crate::registry::Kind::Text { default: None }, "unique name").required()];

/// How a channel is made from its values.
pub type ChannelBuild = fn(&str, &Values) -> Channel;

/// A way to reach a consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Unique in the file.
    pub name: String,
}

/// All kinds of channel.
pub const CHANNELS: &[Entry<ChannelBuild>] = &[];
