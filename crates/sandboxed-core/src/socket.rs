//! What is known of a socket unit: the unit file with its drop-ins, as `systemctl cat` shows it.
//!
//! A socket keeps the control group and the network that it was made in, so one that is handed to a service is a way around
//! the service's sandbox, unless its unit is in the same slice.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::unit::ParsedUnit;

use crate::areas::network::Protocol;
use crate::areas::privileges::COMMANDS_CONFINED;
use crate::diagnostic::Kind;
use crate::planner::{Finding, Planner};
use crate::scalar;
use crate::unit::{Unit, UnitError, without_ours};

/// The directives that hold command lines, systemd.socket(5).
const COMMANDS: &[&str] = &["ExecStartPre", "ExecStartPost", "ExecStopPre", "ExecStopPost"];

/// What is no socket, and opened by systemd as root: systemd.socket(5).
const NO_SOCKETS: &[&str] =
    &["ListenFIFO", "ListenSpecial", "ListenNetlink", "ListenMessageQueue", "ListenUSBFunction"];

/// What planning needs to know of a socket unit.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Its name.
    pub name: UnitName,
    text: ParsedUnit,
}

impl Socket {
    /// Reads a unit file, or several as `systemctl cat` prints them. Our own drop-in, if it is among them, is left out.
    ///
    /// # Errors
    /// If systemd would refuse it.
    pub fn parse(name: UnitName, text: &str) -> Result<Self, UnitError> {
        Ok(Self { name, text: ParsedUnit::parse(&without_ours(text))? })
    }

    /// Whether it hands its sockets to this unit.
    fn activates(&self, unit: &str) -> bool {
        let stem = self.name.as_str().trim_end_matches(".socket");
        match self.text.scalar(Section::Socket, "Service") {
            Some(service) => service == unit,
            // Each connection of such a socket has an instance of its own.
            None if self.text.boolean(Section::Socket, "Accept") == Some(true) => {
                unit.strip_prefix(stem).is_some_and(|rest| rest.starts_with('@'))
            }
            None => unit.strip_suffix(".service") == Some(stem),
        }
    }

    /// Whether it makes sockets of the internet that need no connection.
    pub(crate) fn datagrams(&self) -> bool {
        // Paths and abstract names are unix sockets.
        self.text
            .list(Section::Socket, "ListenDatagram")
            .iter()
            .any(|address| !address.starts_with(['/', '@']))
    }

    /// Whether it makes unix sockets that need no connection: one that has its name already sends to any other name. Those of
    /// sequenced packets need a connection, which one that listens cannot make: unix(7).
    pub(crate) fn unix_datagrams(&self) -> bool {
        let addresses = self.text.list(Section::Socket, "ListenDatagram");
        addresses.iter().any(|address| address.starts_with(['/', '@']))
    }

    /// The ports that it binds, as our plans have them: of TCP where it takes streams, else of UDP.
    pub(crate) fn ports(&self) -> Vec<String> {
        let of = |directive, protocol: Protocol| {
            let addresses = self.text.list(Section::Socket, directive);
            let ports = addresses.iter().filter_map(|address| port(address)).map(|port| protocol.with(port));
            ports.collect::<Vec<_>>()
        };
        [of("ListenStream", Protocol::Tcp), of("ListenDatagram", Protocol::Udp)].concat()
    }

    /// Where in the file system it listens.
    pub(crate) fn paths(&self) -> Vec<String> {
        let lists = ["ListenStream", "ListenDatagram", "ListenSequentialPacket"];
        let addresses = lists.iter().flat_map(|list| self.text.list(Section::Socket, list));
        addresses.filter(|address| address.starts_with('/')).collect()
    }

    /// Directives whose commands systemd would run.
    fn hooks(&self) -> impl Iterator<Item = &'static str> {
        let has = |directive: &&str| {
            self.text.commands(Section::Socket, directive).map_or(true, |commands| !commands.is_empty())
        };
        COMMANDS.iter().copied().filter(move |directive| has(directive))
    }
}

/// The port of an address of the internet, as systemd.socket(5) writes it: alone, or behind an address and before an interface.
fn port(address: &str) -> Option<u16> {
    if address.starts_with(['/', '@']) || address.starts_with("vsock:") {
        return None;
    }
    let address =
        address.split_once('%').filter(|(_, rest)| !rest.contains(']')).map_or(address, |(all, _)| all);
    address.rsplit(':').next()?.parse().ok()
}

/// Says that socket units were not looked for, so that what one hands to a unit is not known.
pub(crate) fn unsought(planner: &mut Planner<'_>) {
    let units: Vec<&str> = planner.policy.units.iter().map(scalar::UnitName::as_str).collect();
    planner.plan.notes.push(format!(
        "nobody looked for socket units of {}, which could hand on sockets that were made outside of the sandbox: --unit-text and a folder \
         with the units and all that are named in their TriggeredBy= and Sockets= gives them",
        units.join(", ")
    ));
}

/// Finds sockets that lead around the sandbox.
pub(crate) fn examine(planner: &mut Planner<'_>) {
    let named = |name: &str| planner.policy.sockets.iter().position(|socket| socket.as_str() == name);
    let mut findings = Vec::new();
    for (index, unit) in planner.policy.units.iter().enumerate() {
        let activators = planner.sockets.iter().filter(|socket| socket.activates(unit.as_str()));
        let base = planner.base.iter().find(|base| base.name.as_str() == unit.as_str());
        let mut handed: Vec<String> = base.map(Unit::handed_sockets).unwrap_or_default();
        handed.extend(activators.map(|socket| socket.name.as_str().to_owned()));
        handed.sort_unstable();
        handed.dedup();
        for socket in handed.iter().filter(|socket| named(socket).is_none()) {
            let kind = Kind::Unit {
                unit: unit.as_str().to_owned(),
                reason: format!("{socket} hands it sockets that were made outside of the sandbox"),
                help: format!("name it in `sockets`: `\"{socket}\"`"),
            };
            findings.push(Finding::new(kind, format!("/units/{index}")));
        }
    }
    for socket in planner.sockets {
        let Some(index) = named(socket.name.as_str()) else { continue };
        for directive in NO_SOCKETS.iter().filter(|name| !socket.text.list(Section::Socket, name).is_empty())
        {
            let kind = Kind::Unit {
                unit: socket.name.as_str().to_owned(),
                reason: format!("{directive}= hands it what systemd opens of the machine past the sandbox"),
                help: "take it out of the unit; sockets are handed on by ListenStream=, ListenDatagram= and ListenSequentialPacket="
                    .to_owned(),
            };
            findings.push(Finding::new(kind, format!("/sockets/{index}")));
        }
        let hooks: Vec<&str> = socket.hooks().collect();
        if !hooks.is_empty() && !planner.waives(&COMMANDS_CONFINED) {
            let kind = Kind::Unit {
                unit: socket.name.as_str().to_owned(),
                reason: format!("{}= is run outside of the sandbox", hooks.join("=, ")),
                help: format!(
                    "take it out of the unit, or do it in the service; or waive `{}` with a reason",
                    COMMANDS_CONFINED.id
                ),
            };
            findings.push(Finding::new(kind, format!("/sockets/{index}")));
        }
    }
    planner.findings.extend(findings);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(name: &str, text: &str) -> Socket {
        Socket::parse(UnitName::new(name).unwrap(), text).unwrap()
    }

    #[test]
    fn a_socket_knows_whom_it_activates() {
        assert!(socket("a.socket", "[Socket]\nListenStream=1\n").activates("a.service"));
        assert!(!socket("a.socket", "[Socket]\nListenStream=1\n").activates("b.service"));
        let other = socket("a.socket", "[Socket]\nService=b.service\n");
        assert!(other.activates("b.service") && !other.activates("a.service"));
        let accepts = socket("a.socket", "[Socket]\nAccept=yes\n");
        assert!(accepts.activates("a@1.service") && !accepts.activates("a.service"));
    }

    #[test]
    fn its_ports_are_found() {
        let text = "[Socket]\nListenStream=80\nListenStream=[::1]:81\nListenStream=127.0.0.1:82%lo\nListenStream=/run/a\n\
                    ListenStream=@a:83\nListenStream=vsock:2:84\nListenDatagram=[fe80::1%eth0]:85\nListenDatagram=86\n";
        let ports = ["tcp/80", "tcp/81", "tcp/82", "udp/85", "udp/86"];
        assert_eq!(socket("a.socket", text).ports(), ports);
    }

    #[test]
    fn datagrams_are_told_apart() {
        for (line, internet, unix) in [
            ("ListenDatagram=/run/a", false, true),
            ("ListenDatagram=@a", false, true),
            ("ListenDatagram=53", true, false),
            ("ListenStream=/run/a", false, false),
            ("ListenSequentialPacket=/run/a", false, false),
            ("ListenDatagram=/run/a\nListenDatagram=", false, false),
        ] {
            let socket = socket("a.socket", &format!("[Socket]\n{line}\n"));
            assert_eq!((socket.datagrams(), socket.unix_datagrams()), (internet, unix), "{line}");
        }
    }

    #[test]
    fn its_commands_are_found() {
        let hooks = socket("a.socket", "[Socket]\nExecStartPre=/bin/true\nExecStopPost=/bin/true\n");
        assert_eq!(hooks.hooks().collect::<Vec<_>>(), ["ExecStartPre", "ExecStopPost"]);
        assert_eq!(
            socket("a.socket", "[Socket]\nExecStartPre=/bin/true\nExecStartPre=\n").hooks().count(),
            0
        );
    }
}
