//! What the program prints.

use serde::{Deserialize, Serialize};

use crate::channel::{Finding, Group};
use crate::channels;
use crate::guarantee::Guarantee;

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of this format: 1.
    pub version: u32,
    /// User and group that the probe ran under, as it saw them.
    pub identity: (u32, u32),
    /// One entry a channel, in the order of the channels' list.
    pub findings: Vec<Finding>,
}

/// A channel, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its identifier.
    pub id: &'static str,
    /// Its group.
    pub group: Group,
    /// What is tried.
    pub title: &'static str,
    /// The guarantee it tests.
    pub guarantee: Guarantee,
    /// That guarantee's sentence: "cannot …".
    pub promise: &'static str,
    /// Manual page of the interface.
    pub source: &'static str,
}

/// All channels, as they are listed.
pub fn list() -> Vec<Listed> {
    let all = channels::all().map(|(group, channel)| Listed {
        id: channel.id,
        group,
        title: channel.title,
        guarantee: channel.guarantee,
        promise: channel.guarantee.promise(),
        source: channel.source,
    });
    all.collect()
}
