//! A service's network: a namespace, a cable between it and the machine, and the service's part of the rules.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    thread,
};

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use sandboxed_netfilter::{private, script::Script, value::Protocol};

use super::{
    Up,
    address::{self, Cable},
    foreign, forwarding,
    ip::Ip,
    member::{Member, State, namespace},
};
use crate::command::filter::{
    load::{Answer, ask},
    manager,
    nft::once,
};

/// The service's end of the cable, as the service sees it.
const INSIDE: &str = "eth0";

pub(super) fn up(options: &Up, state: &State) -> Result<()> {
    let ip = Ip::new(&options.ip);
    let name = options.name.as_str();
    let chains = read(&options.rules)?;
    let _lock = state.lock()?;
    // What an end without order left behind.
    take_away(&ip, name, state)?;
    free(&options.published, name, state)?;
    let routes: Vec<IpNet> = ip.routes()?.into_iter().map(|(network, _)| network).collect();
    let cable = address::choose(name, (options.network4, options.network6), &routes)?;
    let interface = address::interface(name);
    let (address4, address6) = cable.service();
    let published = options.published.clone();
    let mut member = Member {
        interface: interface.clone(),
        address4,
        address6,
        published,
        interfaces: options.interfaces.clone(),
        loaded: false,
    };
    state.remember(name, &member)?;
    let rules = member.rules(name)?.add()?;
    let made = make(&ip, name, &interface, &cable).and_then(|()| {
        own_network(name, &options.nft)?;
        // Before the cable is up, and so before anything comes by it.
        let owner = load(&format!("{chains}{rules}"), state)?;
        manager::keep(owner.as_fd())?;
        member.loaded = true;
        state.remember(name, &member)?;
        connect(&ip, name, &interface, &cable)
    });
    if let Err(error) = made {
        let _ = take_away(&ip, name, state);
        return Err(error);
    }
    let drops = foreign::drops(&options.nft);
    if !drops.is_empty() {
        eprintln!("{}", foreign::advice(&interface, &drops));
    }
    if !forwarding::has_six() {
        eprintln!(
            "the service reaches nobody by IPv6: this kernel passes IPv6 on only for a machine that is a router \
             (net.ipv6.conf.all.forwarding=1; Linux 6.17 can do it for single interfaces)"
        );
    }
    Ok(())
}

pub(super) fn down(ip: &Ip, name: &str, state: &State) -> Result<()> {
    {
        let _lock = state.lock()?;
        take_away(ip, name, state)?;
    }
    manager::release()?;
    // Whoever is last after the holder's end cleans up, if the holder could not.
    if UnixStream::connect(state.socket()).is_err() { restore(ip, state) } else { Ok(()) }
}

/// What is to be done when the rules are gone or about to go: services that have not ended yet reach nobody any more, and the
/// machine passes nothing on.
pub(super) fn restore(ip: &Ip, state: &State) -> Result<()> {
    let _lock = state.lock()?;
    let members = state.members()?;
    for (_, member) in &members {
        ip.try_to(&["link", "delete", &member.interface]);
    }
    forwarding::restore(state)?;
    if members.is_empty() { state.clear() } else { Ok(()) }
}

/// A file of rules.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

/// Has the holder load rules, and shares the socket that owns them.
///
/// # Errors
/// If it can't be asked, or refuses.
pub(super) fn load(script: &str, state: &State) -> Result<OwnedFd> {
    match ask(script, &state.socket())? {
        Answer::Loaded(owner) => Ok(owner),
        Answer::Refused(reason) => bail!("the rules were not loaded: {reason}"),
    }
}

/// Ports that are to lead to the service must be nobody else's.
fn free(ports: &[super::member::Port], name: &str, state: &State) -> Result<()> {
    for port in ports {
        if let Some((other, _)) =
            state.members()?.iter().find(|(other, member)| other != name && member.published.contains(port))
        {
            bail!("{} leads to the sandbox `{other}` already", String::from(*port));
        }
        // A socket unit of ours on this port comes after this.
        let address = (Ipv4Addr::UNSPECIFIED, port.port);
        let taken = match port.protocol {
            Protocol::Udp => UdpSocket::bind(address).err(),
            _ => TcpListener::bind(address).err(),
        };
        if let Some(error) = taken {
            bail!("{} can't lead to the service: {error}", String::from(*port));
        }
    }
    Ok(())
}

/// The namespace, and the two ends of the cable with their addresses, but not up.
fn make(ip: &Ip, name: &str, interface: &str, cable: &Cable) -> Result<()> {
    let namespace = namespace(name);
    let (four, six) = cable.host();
    ip.batch(
        None,
        &format!(
            "netns add {namespace}\n\
             link add {interface} address {} type veth peer name {INSIDE} address {} netns {namespace}\n",
            cable.hardware(1),
            cable.hardware(2)
        ),
    )?;
    forwarding::prepare(interface)?;
    let has_six = Path::new("/proc/sys/net/ipv6").exists();
    let six = if has_six {
        format!("address add {six}/{} dev {interface} nodad\n", cable.six.prefix_len())
    } else {
        String::new()
    };
    ip.batch(None, &format!("address add {four}/{} dev {interface}\n{six}", cable.four.prefix_len()))
}

/// Both ends up. Each knows the other's hardware address, so neither has to ask, and the machine answers no question.
fn connect(ip: &Ip, name: &str, interface: &str, cable: &Cable) -> Result<()> {
    let (host4, host6) = cable.host();
    let (own4, own6) = cable.service();
    let (host, own) = (cable.hardware(1), cable.hardware(2));
    let has_six = Path::new("/proc/sys/net/ipv6").exists();
    let only = |text: String| if has_six { text } else { String::new() };
    ip.batch(
        None,
        &format!(
            "link set {interface} up\n\
             neighbour replace {own4} lladdr {own} nud permanent dev {interface}\n{}",
            only(format!("neighbour replace {own6} lladdr {own} nud permanent dev {interface}\n"))
        ),
    )?;
    ip.batch(
        Some(&namespace(name)),
        &format!(
            "link set lo up\n\
             address add {own4}/{} dev {INSIDE}\n{}\
             link set {INSIDE} up\n\
             neighbour replace {host4} lladdr {host} nud permanent dev {INSIDE}\n{}\
             route add default via {host4}\n{}",
            cable.four.prefix_len(),
            only(format!("address add {own6}/{} dev {INSIDE} nodad\n", cable.six.prefix_len())),
            only(format!("neighbour replace {host6} lladdr {host} nud permanent dev {INSIDE}\n")),
            only(format!("route add default via {host6}\n"))
        ),
    )
}

/// Settles what holds within the service's network, before it leads anywhere.
///
/// Every port of it is the service's own, so it may bind the low ones too: the capability for that would not count in a user
/// namespace. For what it may not send from them there is a table inside ([`private::inside`]); the service can change neither.
fn own_network(name: &str, nft: &Path) -> Result<()> {
    let path = format!("/run/netns/{}", namespace(name));
    let file = fs::File::open(&path).with_context(|| format!("can't open {path}"))?;
    let table = Script::ensure(&private::inside()?).to_string();
    let nft = nft.to_owned();
    let inside = thread::spawn(move || -> Result<()> {
        // This thread alone moves there, and ends there; what it starts is there too.
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
            .context("can't open the low ports to the service")?;
        once(&nft, &table).context("can't load the rules within the service's network")
    });
    inside.join().unwrap_or_else(|_| bail!("a thread ended by itself"))
}

/// Takes away whatever of it is there.
fn take_away(ip: &Ip, name: &str, state: &State) -> Result<()> {
    let interface = address::interface(name);
    ip.try_to(&["link", "delete", &interface]);
    ip.try_to(&["netns", "delete", &namespace(name)]);
    let Some(member) = state.member(name)? else { return Ok(()) };
    state.forget(name)?;
    // Where the holder has ended, the rules are gone already.
    if member.loaded
        && state.socket().exists()
        && let Err(error) = load(&member.rules(name)?.remove()?.to_string(), state)
    {
        eprintln!("{error:#}");
    }
    Ok(())
}
