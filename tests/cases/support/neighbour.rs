//! Another computer on the machine's network: a network namespace at the other end of a virtual cable.

use anyhow::Result;
use sandboxed_testbed::Machine;

/// The machine's own address on that network, from the range reserved for documentation (RFC 5737).
pub const MACHINE: &str = "198.51.100.1";
/// The neighbour's address there.
pub const NEIGHBOUR: &str = "198.51.100.2";
/// The machine's IPv6 address there (RFC 3849).
pub const MACHINE_V6: &str = "2001:db8:100::1";
/// The neighbour's IPv6 address there.
pub const NEIGHBOUR_V6: &str = "2001:db8:100::2";

/// Runs a command on the neighbour, put before its words.
pub const ON_NEIGHBOUR: [&str; 4] = ["ip", "netns", "exec", "neighbour"];

/// Lay the cable and give both ends their addresses. The rest of the world is behind the neighbour: the cable is an uplink.
///
/// # Errors
/// The machine can't make network namespaces.
pub fn connect(machine: &Machine) -> Result<()> {
    machine.script(&format!(
        "ip netns add neighbour
         ip link add lan0 type veth peer name lan0 netns neighbour
         ip address add {MACHINE}/24 dev lan0
         ip address add {MACHINE_V6}/64 dev lan0 nodad
         ip link set lan0 up
         ip route add default via {NEIGHBOUR} dev lan0
         ip -6 route add default via {NEIGHBOUR_V6} dev lan0
         ip -n neighbour address add {NEIGHBOUR}/24 dev lan0
         ip -n neighbour address add {NEIGHBOUR_V6}/64 dev lan0 nodad
         ip -n neighbour link set lan0 up
         ip -n neighbour link set lo up"
    ))?;
    Ok(())
}
