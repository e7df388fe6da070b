//! What is known of a unit before it is sandboxed: the unit file with its drop-ins, as `systemctl cat` shows it.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::value::{ExecLine, Prefixes, Privileges, Value};

use crate::areas::privileges::COMMANDS_CONFINED;
use crate::plan::{Setting, Settings};

/// What planning needs to know of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: UnitName,
    /// `Type=`, with systemd's default filled in.
    pub service_type: String,
    /// `User=`, if it is set.
    pub user: Option<String>,
    /// `DynamicUser=`
    pub dynamic_user: bool,
    /// `PAMName=`, if it is set.
    pub pam_name: Option<String>,
    /// All command lines, directive by directive.
    pub commands: Vec<Command>,
    /// Directories that systemd makes for it (`StateDirectory=` and the like), absolute.
    pub directories: Vec<String>,
    /// Paths of the host that the unit itself asks to see or write, with the directive that says so.
    pub paths: Vec<(String, String)>,
    /// `SupplementaryGroups=`
    pub groups: Vec<String>,
    /// Capabilities that it asks for.
    pub capabilities: Vec<String>,
}

/// A command line of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The directive: `ExecStart` and so on.
    pub directive: &'static str,
    /// The command.
    pub line: ExecLine,
}

impl Unit {
    /// Whether systemd waits for the service's word that it is ready, sd_notify(3).
    pub fn notifies(&self) -> bool {
        matches!(self.service_type.as_str(), "notify" | "notify-reload")
    }

    /// The user that it runs as, where it is root.
    pub fn runs_as_root(&self) -> bool {
        !self.dynamic_user && self.user.as_deref().is_none_or(|user| matches!(user, "" | "root" | "0"))
    }

    /// The commands that systemd would run outside of the sandbox, as people know them.
    pub(crate) fn privileged_commands(&self) -> Vec<String> {
        self.commands
            .iter()
            .filter(|command| command.line.prefixes.privileges != Privileges::Restricted)
            .map(|command| {
                format!(
                    "{}={}{}",
                    command.directive,
                    command.line.prefixes.text(),
                    command.line.program.as_str()
                )
            })
            .collect()
    }

    /// Writes the directives that have such commands anew, without the prefixes.
    pub(crate) fn confine(&self, settings: &mut Settings) {
        for command in &self.commands {
            if command.line.prefixes.privileges == Privileges::Restricted {
                continue;
            }
            let lines =
                self.commands.iter().filter(|other| other.directive == command.directive).map(|other| {
                    let prefixes = Prefixes { privileges: Privileges::Restricted, ..other.line.prefixes };
                    other.line.clone().with_prefixes(prefixes)
                });
            settings.put(Setting {
                section: Section::Service,
                name: command.directive,
                value: Some(Value::Exec(lines.collect())),
                serves: vec![COMMANDS_CONFINED.id],
            });
        }
    }
}
