//! The filter for sockets that are handed to a service which is not in the machine's network: they are, and stay there.

use sandboxed_netfilter::expression::Match;
use sandboxed_netfilter::filter::{Service, refuse};
use sandboxed_netfilter::name::CgroupPath;
use sandboxed_netfilter::rule::Rule;
use sandboxed_netfilter::value::Protocol as Transport;
use sandboxed_systemd::name::{self, UnitName};

use super::FilterError;
use crate::plan::Filter;

/// What the sockets made in `slice` may send: answers of TCP, to anybody, and nothing else. Who has such a socket can shut it
/// down and connect it to somebody else (`connect(2)`), with the rights of the network that it was made in.
///
/// # Errors
/// If netfilter takes no such name.
pub(crate) fn handed(sandbox: &str, slice: &UnitName) -> Result<Filter, FilterError> {
    let cgroup = CgroupPath::new(&name::cgroup_path(slice))?;
    let answers = Rule::accept().when(Match::protocol(Transport::Tcp)).when(Match::not_opening());
    let rules = vec![
        answers.comment("answers to those who called"),
        refuse().comment("a socket of another network calls nobody"),
    ];
    Ok(Filter {
        service: Service::new(sandbox, cgroup, rules)?,
        iptables: None,
        sockets: None,
        inbound: false,
        conntrack: false,
    })
}
