//! Secrets that systemd hands to the service.
//!
//! systemd.exec(5), section CREDENTIALS.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AreaName;
use super::filesystem::guarantees;
use crate::guarantee::Guarantee;
use crate::scalar::{CredentialName, HostPath};

/// Secrets that systemd hands to the service as credentials: files that only its units can read, below
/// `$CREDENTIALS_DIRECTORY`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Secrets")]
pub struct Secrets {
    /// Credentials by name, and the host's file that each is read from.
    #[schemars(title = "Credentials")]
    pub credentials: BTreeMap<CredentialName, HostPath>,
    /// The same for files that systemd-creds(1) has encrypted.
    #[schemars(title = "Encrypted credentials")]
    pub encrypted: BTreeMap<CredentialName, HostPath>,
}

guarantees! { Secrets;
    SECRETS_UNSHARED = "secrets-unshared", "/secrets/credentials",
        "cannot read a secret of the machine that the policy does not hand it";
}
