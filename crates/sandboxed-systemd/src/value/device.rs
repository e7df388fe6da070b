//! Access to devices, systemd.resource-control(5) "Device Access".

use super::path::AbsPath;
use super::{ValueError, quote};
use crate::directive::Directive;

/// What a service may do with a device, `DeviceAllow=` in systemd.resource-control(5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// The path of a device node, or a class: `char-pts`, `block-loop`.
    pub node: String,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be made with mknod(2).
    pub make: bool,
}

pub(super) fn render(devices: &[Device], directive: &'static Directive) -> Result<Vec<String>, ValueError> {
    if directive.name != "DeviceAllow" {
        return Err(ValueError::Type(directive.name));
    }
    devices.iter().map(|device| render_one(device, directive)).collect()
}

/// Bytes per second of the disks below paths, one a line: `IOReadBandwidthMax=` and its kin.
pub(super) fn render_rates(
    rates: &[(AbsPath, u64)],
    directive: &'static Directive,
) -> Result<Vec<String>, ValueError> {
    if !["IOReadBandwidthMax", "IOWriteBandwidthMax"].contains(&directive.name) {
        return Err(ValueError::Type(directive.name));
    }
    let one = |(path, rate): &(AbsPath, u64)| {
        let path = quote::quoted(quote::specifiers(path.as_str(), directive)?)?;
        Ok(format!("{path} {rate}"))
    };
    rates.iter().map(one).collect()
}

fn render_one(device: &Device, directive: &'static Directive) -> Result<String, ValueError> {
    let Device { node, read, write, make } = device;
    let class = node.strip_prefix("char-").or_else(|| node.strip_prefix("block-"));
    let node = match class {
        Some("") => return Err(ValueError::Empty),
        Some(_) => node.clone(),
        None => AbsPath::new(node)?.to_string(),
    };
    let rights: String = [(*read, 'r'), (*write, 'w'), (*make, 'm')]
        .iter()
        .filter(|right| right.0)
        .map(|right| right.1)
        .collect();
    if rights.is_empty() {
        // Without any, systemd would give all three.
        return Err(ValueError::Empty);
    }
    Ok(format!("{} {rights}", quote::quoted(quote::specifiers(&node, directive)?)?))
}
