//! What is known of a unit before it is sandboxed: the unit file with its drop-ins, as `systemctl cat` shows it.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::unit::{Assignment, ExecCommand, MalformedWord, ParseError, ParsedUnit};
use sandboxed_systemd::value::{ExecLine, Prefixes, Privileges, Value, ValueError};

use crate::areas::privileges::COMMANDS_CONFINED;
use crate::plan::{Setting, Settings};

/// What planning needs to know of a unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its name.
    pub name: UnitName,
    /// The unit as systemd reads it, without our own drop-in.
    text: ParsedUnit,
    /// All command lines in force, directive by directive.
    commands: Vec<Command>,
}

/// A command line of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The directive: `ExecStart` and so on.
    pub directive: &'static str,
    /// The command.
    pub line: ExecCommand,
}

/// The directives that hold command lines, in the order in which systemd runs them.
const COMMANDS: &[&str] = &[
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecReload",
    "ExecReloadPost",
    "ExecStop",
    "ExecStopPost",
];

/// Directories that systemd makes for a unit, and what they are below (systemd.exec(5), `RuntimeDirectory=`).
const DIRECTORIES: &[(&str, &str)] = &[
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
    ("RuntimeDirectory", "/run"),
    ("ConfigurationDirectory", "/etc"),
];

/// Why a unit cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// systemd would not load it.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A command line with quotes or escapes that are not valid.
    #[error("{directive}=: {error}")]
    Command {
        /// The directive.
        directive: &'static str,
        /// What is wrong.
        error: MalformedWord,
    },
}

impl Unit {
    /// Reads a unit file, or several as `systemctl cat` prints them. Our own drop-in, if it is among them, is left out.
    ///
    /// # Errors
    /// If systemd would refuse it.
    pub fn parse(name: UnitName, text: &str) -> Result<Self, UnitError> {
        let text = ParsedUnit::parse(&without_ours(text))?;
        let mut commands = Vec::new();
        for &directive in COMMANDS {
            let lines = text.commands(Section::Service, directive);
            let lines = lines.map_err(|error| UnitError::Command { directive, error })?;
            commands.extend(lines.into_iter().map(|line| Command { directive, line }));
        }
        Ok(Self { name, text, commands })
    }

    /// A directive that holds one value.
    pub fn scalar(&self, directive: &str) -> Option<&str> {
        self.text.scalar(Section::Service, directive)
    }

    /// A directive that holds a list.
    pub fn list(&self, directive: &str) -> Vec<String> {
        self.text.list(Section::Service, directive)
    }

    /// `Type=`, with systemd's defaults filled in (systemd.service(5)).
    pub fn service_type(&self) -> &str {
        self.scalar("Type").unwrap_or(if self.scalar("BusName").is_some() {
            "dbus"
        } else if self.commands.iter().any(|command| command.directive == "ExecStart") {
            "simple"
        } else {
            "oneshot"
        })
    }

    /// The directories that systemd makes for it, absolute.
    pub fn directories(&self) -> Vec<String> {
        self.own_directories().filter_map(|(_, directory)| directory).collect()
    }

    /// The same with the directives that name them; `None` for what only systemd knows.
    pub(crate) fn own_directories(&self) -> impl Iterator<Item = (&'static str, Option<String>)> {
        DIRECTORIES.iter().flat_map(move |&(directive, parent)| {
            // What follows a colon is a link to the directory.
            let names = self.list(directive).into_iter();
            names.map(move |name| {
                let name = self.expanded(name.split(':').next().unwrap_or_default());
                (directive, name.map(|name| format!("{parent}/{name}")))
            })
        })
    }

    /// A text with the specifiers that say the unit's name, systemd.unit(5); `None` where it has others.
    fn expanded(&self, text: &str) -> Option<String> {
        let whole = self.name.as_str();
        let prefix_and_instance = whole.rsplit_once('.').map_or(whole, |(name, _)| name);
        let (prefix, instance) = prefix_and_instance.split_once('@').unwrap_or((prefix_and_instance, ""));
        let mut expanded = String::new();
        let mut rest = text.chars();
        while let Some(char) = rest.next() {
            if char != '%' {
                expanded.push(char);
                continue;
            }
            expanded.push_str(match rest.next()? {
                '%' => "%",
                'n' => whole,
                'N' => prefix_and_instance,
                'p' => prefix,
                'i' => instance,
                _ => return None,
            });
        }
        Some(expanded)
    }

    /// Whether systemd listens to what the service says of itself, sd_notify(3).
    pub fn notifies(&self) -> bool {
        let access = self.scalar("NotifyAccess").is_some_and(|access| access != "none");
        access
            || matches!(self.service_type(), "notify" | "notify-reload")
            || self.scalar("WatchdogSec").is_some()
    }

    /// A directive that holds a boolean; `false` where it is not set.
    pub fn boolean(&self, directive: &str) -> bool {
        self.text.boolean(Section::Service, directive) == Some(true)
    }

    /// A directive of its `[Unit]` section that holds one value.
    pub(crate) fn about(&self, directive: &str) -> Option<&str> {
        self.text.scalar(Section::Unit, directive)
    }

    /// What it says that has NixOS leave the service running as it is when its unit changes: handle_modified_unit() in
    /// switch-to-configuration, which takes any other word than these for no.
    pub(crate) fn outlives_a_switch(&self) -> Option<&'static str> {
        let yes = |value: &str| matches!(value, "1" | "yes" | "true" | "on");
        let extension = |section, name| self.text.extension(section, name).map(yes);
        let refuses = self.text.boolean(Section::Unit, "RefuseManualStop");
        [
            (extension(Section::Service, "X-RestartIfChanged") == Some(false), "X-RestartIfChanged=false"),
            (extension(Section::Service, "X-ReloadIfChanged") == Some(true), "X-ReloadIfChanged=true"),
            (extension(Section::Unit, "X-OnlyManualStart") == Some(true), "X-OnlyManualStart=true"),
            (refuses == Some(true), "RefuseManualStop=true"),
        ]
        .into_iter()
        .find_map(|(said, what)| said.then_some(what))
    }

    /// Units that it has systemd start, by a list of its `[Unit]` section.
    pub(crate) fn triggers(&self, directive: &str) -> Vec<String> {
        self.text.list(Section::Unit, directive)
    }

    /// Whether a list of its `[Unit]` section names other units.
    pub(crate) fn joins(&self, directive: &str) -> bool {
        !self.text.list(Section::Unit, directive).is_empty()
    }

    /// Socket units that it asks for sockets of.
    pub(crate) fn handed_sockets(&self) -> Vec<String> {
        self.list("Sockets")
    }

    /// Whether `User=` is root, or may be: a specifier is not known before the unit starts. systemd takes a user that
    /// exists even where `DynamicUser=` is set.
    pub fn names_root(&self) -> bool {
        self.scalar("User")
            .is_some_and(|user| user == "root" || user.contains('%') || user.parse() == Ok(0_u32))
    }

    /// Whether it runs as root.
    pub fn runs_as_root(&self) -> bool {
        self.names_root() || (self.scalar("User").is_none() && !self.boolean("DynamicUser"))
    }

    /// What drop-ins say that systemd reads after ours: they sort by their names, from whichever directory, systemd.unit(5).
    pub(crate) fn said_after_ours(&self) -> impl Iterator<Item = &Assignment> {
        let later = |file: &str| {
            let name = file.rsplit('/').next().unwrap_or_default();
            file.contains(".d/") && name > crate::emit::DROP_IN && !name.starts_with("zzz-sandboxed-")
        };
        self.text.assignments().iter().filter(move |assignment| later(&assignment.file))
    }

    /// What is said last for any of these directives of services, of which systemd takes each for the others too.
    pub(crate) fn said_last(&self, directives: &[&str]) -> Option<&Assignment> {
        let mut said = self.text.assignments().iter().rev().filter(|said| said.section == Section::Service);
        said.find(|said| directives.contains(&said.name.as_str()))
    }

    /// All command lines in force, directive by directive.
    pub(crate) fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// The programs of all of its commands, as the unit has them.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &str> {
        self.commands.iter().map(|command| command.line.program.as_str())
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

    /// Empties the directives of commands that it does not have, so that one that is added later is not run outside of what was
    /// planned for the others.
    pub(crate) fn forgo_others(&self, settings: &mut Settings, known: impl Fn(&str) -> bool) {
        let absent =
            COMMANDS.iter().filter(|name| !self.commands.iter().any(|command| command.directive == **name));
        for name in absent.filter(|name| **name != "ExecStart" && known(name)) {
            let serves = vec![COMMANDS_CONFINED.id];
            settings.put(Setting { section: Section::Service, name, value: None, serves });
        }
    }

    /// Writes the directives that have such commands anew, without the prefixes.
    ///
    /// # Errors
    /// If a command cannot be written again.
    pub(crate) fn confine(&self, settings: &mut Settings) -> Result<(), ValueError> {
        for command in &self.commands {
            if command.line.prefixes.privileges == Privileges::Restricted {
                continue;
            }
            let lines: Result<Vec<ExecLine>, ValueError> = self
                .commands
                .iter()
                .filter(|other| other.directive == command.directive)
                .map(|other| {
                    let prefixes = Prefixes { privileges: Privileges::Restricted, ..other.line.prefixes };
                    Ok(other.line.to_line()?.with_prefixes(prefixes))
                })
                .collect();
            settings.put(Setting {
                section: Section::Service,
                name: command.directive,
                value: Some(Value::Exec(lines?)),
                serves: vec![COMMANDS_CONFINED.id],
            });
        }
        Ok(())
    }
}

/// What `systemctl cat` prints without the drop-in that we wrote: the unit as it is without us.
pub(crate) fn without_ours(text: &str) -> String {
    let mut ours = false;
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if let Some(path) = line.trim_end().strip_prefix("# /") {
            ours = path.ends_with(&format!("/{}", crate::emit::DROP_IN));
        }
        if !ours {
            kept.push_str(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "# /usr/lib/systemd/system/a.service
[Service]
Type=notify
User=a
StateDirectory=a
ExecStartPre=+/bin/chown a /var/lib/a
ExecStart=/usr/bin/a --x %i $Y
# /etc/systemd/system/a.service.d/zz-sandboxed.conf
[Service]
User=root
";

    fn unit() -> Unit {
        Unit::parse(UnitName::new("a.service").unwrap(), UNIT).unwrap()
    }

    #[test]
    fn our_own_drop_in_is_not_the_unit() {
        let unit = unit();
        assert!(!unit.runs_as_root() && unit.notifies());
        assert_eq!(unit.directories(), ["/var/lib/a"]);
        assert_eq!(unit.privileged_commands(), ["ExecStartPre=+/bin/chown"]);
    }

    #[test]
    fn confined_commands_lose_their_prefix_and_nothing_else() {
        let mut settings = Settings::default();
        unit().confine(&mut settings).unwrap();
        let value = settings.get(Section::Service, "ExecStartPre").unwrap().value.clone().unwrap();
        let directive = sandboxed_systemd::directive::lookup(Section::Service, "ExecStartPre").unwrap();
        assert_eq!(value.assignments(directive).unwrap(), ["/bin/chown a /var/lib/a"]);
        assert_eq!(settings.get(Section::Service, "ExecStart"), None);
    }
}
