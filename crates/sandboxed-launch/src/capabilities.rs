//! Giving every capability up: capabilities(7).

use rustix::io;
use rustix::thread::{
    self, CapabilitiesSecureBits as SecureBits, CapabilitySet, CapabilitySets, capability_is_in_bounding_set,
};

use crate::failure::{Failure, Step};

/// The highest capability that the type for sets has room for; the kernel refuses those it does not know.
const HIGHEST: u32 = 63;

/// Leaves `keep` in every set and nothing else in any, and makes sure that no program started later gains one.
///
/// `keep` must be permitted: nobody can keep what they do not have.
pub(crate) fn drop_all_but(keep: CapabilitySet) -> Result<(), Failure> {
    let permitted = thread::capabilities(None).map_err(failed("read the capability sets"))?.permitted;
    if let Some(missing) = keep.difference(permitted).iter_names().next() {
        let what = format!("keep CAP_{}", missing.0);
        return Err(failed(what)(io::Errno::PERM));
    }
    thread::clear_ambient_capability_set().map_err(failed("clear the ambient capabilities"))?;
    drop_bounding_set(keep)?;
    let sets = |permitted, inheritable| CapabilitySets { effective: permitted, permitted, inheritable };
    // CAP_SETPCAP is needed for a moment longer, for the secure bits.
    let last = permitted & CapabilitySet::SETPCAP;
    thread::set_capabilities(None, sets(keep | last, keep)).map_err(failed("give capabilities up"))?;
    for capability in each(keep) {
        thread::configure_capability_in_ambient_set(capability, true).map_err(failed("keep capabilities"))?;
    }
    // From here on not even a program executed by root gets capabilities for that alone, and nobody can change it.
    thread::set_capabilities_secure_bits(
        SecureBits::NO_ROOT
            | SecureBits::NO_ROOT_LOCKED
            | SecureBits::NO_SETUID_FIXUP_LOCKED
            | SecureBits::KEEP_CAPS_LOCKED
            | SecureBits::NO_CAP_AMBIENT_RAISE
            | SecureBits::NO_CAP_AMBIENT_RAISE_LOCKED,
    )
    .map_err(failed("lock the secure bits"))?;
    thread::set_capabilities(None, sets(keep, keep)).map_err(failed("give capabilities up"))
}

/// Gives up what `drop_all_but` left, for a process that starts no other.
pub(crate) fn give_up_rest() -> Result<(), Failure> {
    let empty = CapabilitySet::empty();
    let sets = CapabilitySets { effective: empty, permitted: empty, inheritable: empty };
    thread::set_capabilities(None, sets).map_err(failed("give capabilities up"))
}

fn drop_bounding_set(keep: CapabilitySet) -> Result<(), Failure> {
    for capability in each(CapabilitySet::from_bits_retain(u64::MAX)) {
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !keep.contains(capability) => {
                thread::remove_capability_from_bounding_set(capability)
                    .map_err(failed("shrink the bounding set"))?;
            }
            Ok(_) => {}
            // The kernel knows no higher one.
            Err(io::Errno::INVAL) => break,
            Err(error) => return Err(failed("read the bounding set")(error)),
        }
    }
    Ok(())
}

/// The set of the one capability called `name`, in upper or lower case.
pub(crate) fn by_name(name: &str) -> Option<CapabilitySet> {
    let name = name.to_ascii_uppercase();
    CapabilitySet::from_name(name.strip_prefix("CAP_")?)
}

fn each(set: CapabilitySet) -> impl Iterator<Item = CapabilitySet> {
    (0..=HIGHEST)
        .map(|number| CapabilitySet::from_bits_retain(1 << number))
        .filter(move |one| set.contains(*one))
}

fn failed(what: impl std::fmt::Display) -> impl FnOnce(io::Errno) -> Failure {
    Failure::at(Step::Capabilities, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_manual_page() {
        assert_eq!(by_name("CAP_SYS_ADMIN"), Some(CapabilitySet::SYS_ADMIN));
        assert_eq!(by_name("cap_checkpoint_restore"), Some(CapabilitySet::CHECKPOINT_RESTORE));
        for wrong in ["SYS_ADMIN", "CAP_", "CAP_ALL", ""] {
            assert_eq!(by_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_set_is_walked_one_by_one() {
        let set = CapabilitySet::CHOWN | CapabilitySet::BPF;
        assert_eq!(each(set).collect::<Vec<_>>(), [CapabilitySet::CHOWN, CapabilitySet::BPF]);
    }
}
