//! Secrets that systemd hands to the service.
//!
//! systemd.exec(5), section CREDENTIALS.

use std::collections::{BTreeMap, BTreeSet};

use sandboxed_systemd::value::{AbsPath, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Kind;
use crate::document::escape;
use crate::examine::control::controlled;
use crate::guarantee::guarantees;
use crate::planner::{Finding, Mechanism, Planner, guarantee, path};
use crate::scalar::{CredentialName, HostPath};

/// Secrets that systemd hands to the service as credentials: files that only its units can read, below
/// `$CREDENTIALS_DIRECTORY`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Secrets")]
pub struct Secrets {
    /// Credentials by name, and the host's file that each is read from.
    #[schemars(
        title = "Credentials",
        extend("examples" = [{ "registration.yaml": "/etc/matrix-synapse/registration.yaml" }])
    )]
    pub credentials: BTreeMap<CredentialName, HostPath>,
    /// The same for files that systemd-creds(1) has encrypted.
    #[schemars(
        title = "Encrypted credentials",
        extend("examples" = [{ "database-password": "/etc/credstore.encrypted/database-password" }])
    )]
    pub encrypted: BTreeMap<CredentialName, HostPath>,
}

guarantees! { Secrets;
    SECRETS_UNSHARED = "secrets-unshared", "/secrets/credentials",
        "cannot read a secret of the machine that the policy does not hand it";
}

impl Secrets {
    /// Plans this area.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        for (map, entries) in [("credentials", &self.credentials), ("encrypted", &self.encrypted)] {
            for (name, source) in entries.iter().filter(|(_, source)| source.is_optional()) {
                let reason = format!(
                    "the file of the credential `{name}` cannot be optional: systemd has no way to say so"
                );
                let help = format!("write `{}`", source.path());
                let field = format!("/secrets/{map}/{}", escape(name.as_str()));
                planner.find(Finding::new(Kind::Conflict { reason, help }, field));
            }
        }
        for (map, entries) in [("credentials", &self.credentials), ("encrypted", &self.encrypted)] {
            for (name, source) in entries {
                let Some(written) = controlled(planner, source.path()) else { continue };
                let reason = format!(
                    "the credential `{name}` lies below `{written}`, where the service can put links: systemd would read it any file \
                     of the machine"
                );
                let help = "keep it where the service does not write, such as /etc".to_owned();
                let field = format!("/secrets/{map}/{}", escape(name.as_str()));
                planner.find(Finding::new(Kind::Conflict { reason, help }, field));
            }
        }
        for name in self.encrypted.keys().filter(|name| self.credentials.contains_key(name)) {
            let reason = format!("the credential `{name}` is given twice, plain and encrypted");
            let help = "keep one of them".to_owned();
            let field = |map: &str| format!("/secrets/{map}/{}", escape(name.as_str()));
            let finding = Finding::new(Kind::Conflict { reason, help }, field("encrypted"));
            planner.find(finding.related(field("credentials"), "given in the clear here"));
        }
        let mut mechanism =
            Mechanism::named("credentials that systemd hands to the units of the service alone");
        // What the unit asks for by itself is emptied: those are files of the machine, and the policy does not name them.
        for (directive, entries) in
            [("LoadCredential", &self.credentials), ("LoadCredentialEncrypted", &self.encrypted)]
        {
            let value = (!entries.is_empty()).then(|| Value::Credentials(loads(entries)));
            if value.is_some() || planner.knows(directive) {
                mechanism = mechanism.and(directive, value);
            }
        }
        if planner.knows("ImportCredential") {
            mechanism = mechanism.and("ImportCredential", None);
        }
        guarantee(&SECRETS_UNSHARED)
            .by(mechanism)
            .except(self.credentials.keys().chain(self.encrypted.keys()).map(ToString::to_string))
            .except(variables(planner))
            .keep(planner);
    }
}

/// Files that systemd reads for the units into their environment, `EnvironmentFile=` in systemd.exec(5): whatever they hold, the service
/// has, and so have its children.
fn variables(planner: &Planner<'_>) -> BTreeSet<String> {
    let files = planner.base.iter().flat_map(|unit| unit.list("EnvironmentFile"));
    let path = |file: &str| file.trim_start_matches('-').to_owned();
    files.map(|file| format!("the variables in {}, which its children have too", path(&file))).collect()
}

fn loads(credentials: &BTreeMap<CredentialName, HostPath>) -> Vec<(String, AbsPath)> {
    credentials.iter().filter_map(|(name, source)| Some((name.to_string(), path(source)?))).collect()
}
