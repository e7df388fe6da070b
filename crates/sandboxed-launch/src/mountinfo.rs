//! The mounts of this process, from /proc/self/mountinfo: `proc_pid_mountinfo(5)`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::mount::MountAttrFlags;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Its id.
    pub(crate) id: u64,
    /// The id of the mount it lies on.
    pub(crate) parent: u64,
    /// Which file system: major and minor number.
    pub(crate) device: String,
    /// What of the file system is its root.
    pub(crate) root: PathBuf,
    /// Where it is.
    pub(crate) point: PathBuf,
    /// Its own attributes, those that matter here.
    pub(crate) attributes: MountAttrFlags,
    /// The type of the file system.
    pub(crate) kind: String,
    /// The options of the file system.
    pub(crate) options: String,
}

/// The mounts of a mount namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mounts(Vec<Mount>);

impl Mounts {
    /// Reads the kernel's text. A line that is not as proc(5) says is left out.
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(parse_line).collect())
    }

    /// All, in the kernel's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// The mount one sees at `path`: of several at the same place, the one on top.
    pub(crate) fn visible_at(&self, path: &Path) -> Option<&Mount> {
        self.0.iter().filter(|mount| mount.point == path).find(|mount| !self.is_covered(mount))
    }

    /// What lies on `top` and can be seen, each before what lies on it.
    pub(crate) fn visible_below(&self, top: &Mount) -> Vec<&Mount> {
        let mut found: Vec<&Mount> = Vec::new();
        let mut parents = vec![top.id];
        while let Some(parent) = parents.pop() {
            for child in self.0.iter().filter(|mount| mount.parent == parent && mount.id != top.id) {
                if !parents.contains(&child.id) {
                    parents.push(child.id);
                }
                if !self.is_covered(child) {
                    found.push(child);
                }
            }
        }
        found.sort_by_key(|mount| (mount.point.components().count(), &mount.point));
        found
    }

    fn is_covered(&self, mount: &Mount) -> bool {
        self.0.iter().any(|other| other.parent == mount.id && other.point == mount.point)
    }
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut next = || fields.next();
    let (id, parent, device, root, point, attributes) =
        (next()?, next()?, next()?, next()?, next()?, next()?);
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let (kind, _source, options) = (rest.next()?, rest.next()?, rest.next()?);
    Some(Mount {
        id: text(id)?.parse().ok()?,
        parent: text(parent)?.parse().ok()?,
        device: text(device)?,
        root: unescape(root),
        point: unescape(point),
        attributes: parse_attributes(&text(attributes)?),
        kind: text(kind)?,
        options: text(options)?,
    })
}

fn parse_attributes(words: &str) -> MountAttrFlags {
    let none = MountAttrFlags::empty();
    words.split(',').fold(none, |all, word| {
        all | match word {
            "ro" => MountAttrFlags::MOUNT_ATTR_RDONLY,
            "nosuid" => MountAttrFlags::MOUNT_ATTR_NOSUID,
            "nodev" => MountAttrFlags::MOUNT_ATTR_NODEV,
            "noexec" => MountAttrFlags::MOUNT_ATTR_NOEXEC,
            _ => none,
        }
    })
}

fn text(field: &[u8]) -> Option<String> {
    String::from_utf8(field.to_vec()).ok()
}

/// Space, tab, newline, backslash and `#` are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        let (byte, tail) = octal.map_or((*first, tail), |byte| (byte, tail.get(3..).unwrap_or_default()));
        bytes.push(byte);
        rest = tail;
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a service with `ProtectKernelTunables=` and `ProtectKernelLogs=` sees, shortened: /proc twice, a cover on a
    /// cover, one with a space in its name.
    const SAMPLE: &[u8] = b"\
20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
21 20 0:5 / /proc rw,relatime shared:3 - proc proc rw
22 21 0:6 / /proc rw,nosuid,nodev,noexec,relatime shared:5 - proc proc rw,hidepid=invisible
23 22 0:6 /sys /proc/sys rw,relatime - proc proc rw,hidepid=invisible
24 23 0:6 /sys /proc/sys ro,nosuid,relatime - proc proc rw,hidepid=invisible
25 22 0:7 /inaccessible/reg /proc/kmsg ro,nosuid,nodev,noexec - tmpfs tmpfs rw,mode=755
26 24 0:8 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
27 20 0:9 / /mnt/a\\040b\\134 rw - tmpfs tmpfs rw
not a mount
";

    #[test]
    fn what_is_on_top_is_seen() {
        let mounts = Mounts::parse(SAMPLE);
        assert_eq!(mounts.iter().count(), 8);
        let proc = mounts.visible_at("/proc".as_ref()).unwrap();
        assert_eq!((proc.id, proc.options.as_str()), (22, "rw,hidepid=invisible"));
        let points: Vec<_> = mounts.visible_below(proc).iter().map(|mount| mount.id).collect();
        assert_eq!(points, [25, 24, 26]);
        assert_eq!(mounts.visible_at("/mnt/a b\\".as_ref()).unwrap().id, 27);
        assert_eq!(mounts.visible_at("/sys".as_ref()), None);
    }

    #[test]
    fn attributes_are_read() {
        let mounts = Mounts::parse(SAMPLE);
        let cover = mounts.visible_at("/proc/sys".as_ref()).unwrap();
        assert_eq!(cover.attributes, MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID);
    }

    #[test]
    fn damaged_escapes_stay_as_they_are() {
        assert_eq!(unescape(b"/a\\04"), PathBuf::from("/a\\04"));
        assert_eq!(unescape(b"/a\\999"), PathBuf::from("/a\\999"));
        assert_eq!(unescape(b"/a\\"), PathBuf::from("/a\\"));
    }
}
