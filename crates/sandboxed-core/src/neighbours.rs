//! What the sandboxes of one machine could do to each other by what they write.
//!
//! systemd, as root, follows the paths that a sandbox names: it binds, hides, reads or makes what it finds there. Where another
//! sandboxed service can write above such a path, it makes the path a link, and the first sandbox gets any file of the machine.
//! ([`crate::examine::control`] finds the same within one sandbox.)

use std::collections::BTreeMap;

use sandboxed_systemd::value::Value;

use crate::areas::filesystem::below;
use crate::examine::control::normal;
use crate::plan::Setting;
use crate::planner::Planner;
use crate::scalar::HostPath;
use crate::unit::Unit;

/// The paths by which a sandbox can meet others, each in its normal form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// What its service writes.
    written: BTreeMap<String, Written>,
    /// What systemd follows for it, or what it executes.
    followed: BTreeMap<String, Followed>,
}

/// How a path comes to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// A directory that systemd makes for the unit.
    Made,
    /// The policy has it in `writable`.
    Named,
    /// The policy has it in `state`, so it is nobody else's business.
    State,
}

/// What is done with a path; where several things are, the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Followed {
    /// It is kept from the service.
    Hidden,
    /// The service is shown it, or has a socket there.
    Shown,
    /// A credential is read from it.
    Credential,
    /// The unit's environment is read from it.
    Environment,
    /// The service executes it.
    Executed,
}

impl Followed {
    /// What systemd would do at the end of a link.
    fn verb(self) -> &'static str {
        match self {
            Self::Hidden => "hide",
            Self::Shown | Self::Executed => "show",
            Self::Credential => "read as a credential",
            Self::Environment => "read as the environment",
        }
    }
}

/// The store's paths are written by nobody, and there are thousands of them.
const STORE: &str = "/nix/store";

impl Paths {
    /// The paths of a plan that is made.
    pub(crate) fn of(planner: &Planner<'_>) -> Self {
        let mut paths = Self::default();
        let filesystem = &planner.policy.filesystem;
        let made = planner.base.iter().flat_map(Unit::directories);
        paths.written.extend(made.map(|directory| (normal(&directory), Written::Made)));
        for (list, how) in [(&filesystem.writable, Written::Named), (&filesystem.state, Written::State)] {
            paths.written.extend(list.iter().map(|named| (normal(named.path()), how)));
        }
        let units = planner.plan.units.iter().flat_map(|unit| unit.settings.iter());
        for setting in planner.plan.service.iter().chain(units) {
            paths.follow_setting(setting);
        }
        let sockets = planner.sockets.iter().filter(|socket| planner.plan.sockets.contains(&socket.name));
        for path in sockets.flat_map(crate::socket::Socket::paths) {
            paths.follow(&path, Followed::Shown);
        }
        for file in planner.base.iter().flat_map(|unit| unit.list("EnvironmentFile")) {
            paths.follow(file.trim_start_matches('-'), Followed::Environment);
        }
        for named in &filesystem.executable {
            paths.follow(HostPath::path(named), Followed::Executed);
        }
        paths
    }

    fn follow_setting(&mut self, setting: &Setting) {
        let how = if setting.name == "InaccessiblePaths" { Followed::Hidden } else { Followed::Shown };
        match &setting.value {
            Some(Value::Binds(binds)) => {
                for bind in binds {
                    self.follow(bind.source.as_str(), how);
                }
            }
            // What is relative to the service's root is followed there.
            Some(Value::Paths(paths)) => {
                for spec in paths.iter().filter(|spec| !spec.in_root) {
                    self.follow(spec.path.as_str(), how);
                }
            }
            Some(Value::Path(path)) => self.follow(path.as_str(), how),
            Some(Value::Credentials(credentials)) => {
                for (_, file) in credentials {
                    self.follow(file.as_str(), Followed::Credential);
                }
            }
            _ => {}
        }
    }

    fn follow(&mut self, path: &str, how: Followed) {
        if !path.starts_with('/') || below(path, STORE) {
            return;
        }
        let known = self.followed.entry(normal(path)).or_insert(how);
        *known = (*known).max(how);
    }

    /// All that is followed: what is written is made or bound too.
    fn all(&self) -> impl Iterator<Item = (&str, Option<Followed>)> {
        let others = self.followed.iter().filter(|(path, how)| {
            matches!(how, Followed::Environment | Followed::Executed) || !self.written.contains_key(*path)
        });
        let others = others.map(|(path, how)| (path.as_str(), Some(*how)));
        self.written.keys().map(|path| (path.as_str(), None)).chain(others)
    }
}

/// What two sandboxes have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meeting {
    /// One could reach into the other.
    Reach {
        /// The one that writes.
        writer: String,
        /// The other.
        other: String,
        /// What it could do.
        reason: String,
    },
    /// They share a path on purpose: both name it.
    Shared(String),
}

/// All meetings of these sandboxes, by their names and paths.
pub(crate) fn meetings(sandboxes: &[(&str, &Paths)]) -> Vec<Meeting> {
    let mut writers: BTreeMap<&str, Vec<(usize, Written)>> = BTreeMap::new();
    for (index, (_, paths)) in sandboxes.iter().enumerate() {
        for (path, how) in &paths.written {
            writers.entry(path).or_default().push((index, *how));
        }
    }
    let mut found = Vec::new();
    for (index, (other, paths)) in sandboxes.iter().enumerate() {
        for (path, how) in paths.all() {
            for (above, by) in ancestors(path).filter_map(|above| Some((above, writers.get(above)?))) {
                for &(by, written) in by.iter().filter(|(by, _)| *by != index) {
                    let Some((writer, _)) = sandboxes.get(by) else { continue };
                    if above != path {
                        found.push(below_another(writer, above, other, path, how));
                    } else if let Some(how) = how {
                        found.extend(same(writer, other, path, how));
                    } else if by < index {
                        let own = paths.written.get(path).copied();
                        found.push(both_write(writer, written, other, own, path));
                    }
                }
            }
        }
    }
    found
}

/// A path and all above it.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| {
        let (above, name) = path.rsplit_once('/')?;
        if name.is_empty() { None } else { Some(if above.is_empty() { "/" } else { above }) }
    })
}

fn below_another(writer: &str, above: &str, other: &str, path: &str, how: Option<Followed>) -> Meeting {
    let verb = how.map_or("let it write", Followed::verb);
    let reason = format!(
        "the sandbox `{writer}` writes `{above}`, and could make `{path}` a link: for the sandbox `{other}` systemd would {verb} \
         any file of the machine. Name `{above}` itself in both where they are to share it, or keep `{path}` elsewhere"
    );
    Meeting::Reach { writer: writer.to_owned(), other: other.to_owned(), reason }
}

/// Both name the same path, and one of them writes it: what the path is, neither can change.
fn same(writer: &str, other: &str, path: &str, how: Followed) -> Option<Meeting> {
    let does = match how {
        // Whatever it becomes, the other does not see it.
        Followed::Hidden => return None,
        Followed::Shown | Followed::Credential => {
            return Some(Meeting::Shared(format!(
                "the sandboxes `{writer}` and `{other}` share `{path}`: what the first writes there, the second reads"
            )));
        }
        Followed::Environment => "is the environment of",
        Followed::Executed => "is executed by",
    };
    let reason = format!(
        "the sandbox `{writer}` writes `{path}`, which {does} the sandbox `{other}`: keep what one writes apart from what decides \
         what the other runs"
    );
    Some(Meeting::Reach { writer: writer.to_owned(), other: other.to_owned(), reason })
}

fn both_write(writer: &str, how: Written, other: &str, own: Option<Written>, path: &str) -> Meeting {
    if how != Written::State && own != Some(Written::State) {
        return Meeting::Shared(format!(
            "the sandboxes `{writer}` and `{other}` share `{path}`: each can change what the other keeps there"
        ));
    }
    let whose = if how == Written::State { writer } else { other };
    let reason = format!(
        "the sandboxes `{writer}` and `{other}` both write `{path}`, the state of the sandbox `{whose}`, which is nobody else's \
         business. Name it in `filesystem.writable` of both where they are to share it"
    );
    Meeting::Reach { writer: writer.to_owned(), other: other.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(written: &[(&str, Written)], followed: &[(&str, Followed)]) -> Paths {
        let mut paths = Paths {
            written: written.iter().map(|(path, how)| ((*path).to_owned(), *how)).collect(),
            ..Paths::default()
        };
        for (path, how) in followed {
            paths.follow(path, *how);
        }
        paths
    }

    fn refused(found: &[Meeting]) -> usize {
        found.iter().filter(|meeting| matches!(meeting, Meeting::Reach { .. })).count()
    }

    #[test]
    fn what_another_could_make_a_link_is_refused() {
        let hostile = paths(&[("/srv/a", Written::Named)], &[]);
        for how in [
            Followed::Hidden,
            Followed::Shown,
            Followed::Credential,
            Followed::Environment,
            Followed::Executed,
        ] {
            let other = paths(&[], &[("/srv/a/b/c", how), ("/srv/ab", how), ("/srv", how)]);
            for order in [[("a", &hostile), ("b", &other)], [("b", &other), ("a", &hostile)]] {
                let found = meetings(&order);
                assert_eq!((refused(&found), found.len()), (1, 1), "{how:?}: {found:?}");
            }
        }
        let state = paths(&[("/srv/a/state", Written::State)], &[]);
        assert_eq!(refused(&meetings(&[("a", &hostile), ("b", &state)])), 1);
        let everything = paths(&[("/", Written::Named)], &[]);
        assert_eq!(refused(&meetings(&[("a", &everything), ("b", &state)])), 1);
    }

    #[test]
    fn what_both_name_is_shared_and_said() {
        let one = paths(&[("/srv/a", Written::Named)], &[]);
        for how in [Followed::Shown, Followed::Credential] {
            let found = meetings(&[("a", &one), ("b", &paths(&[], &[("/srv/a", how)]))]);
            assert!(matches!(found.as_slice(), [Meeting::Shared(_)]), "{found:?}");
        }
        for how in [Written::Named, Written::Made] {
            let found = meetings(&[("a", &one), ("b", &paths(&[("/srv/a", how)], &[]))]);
            assert!(matches!(found.as_slice(), [Meeting::Shared(_)]), "{found:?}");
        }
        assert_eq!(meetings(&[("a", &one), ("b", &paths(&[], &[("/srv/a", Followed::Hidden)]))]), []);
    }

    #[test]
    fn state_and_programs_are_not_shared() {
        let named = paths(&[("/srv/a", Written::Named)], &[]);
        let state = paths(&[("/srv/a", Written::State)], &[]);
        for other in [&named, &state] {
            assert_eq!(refused(&meetings(&[("a", &state), ("b", other)])), 1);
            assert_eq!(refused(&meetings(&[("b", other), ("a", &state)])), 1);
        }
        for how in [Followed::Environment, Followed::Executed] {
            assert_eq!(refused(&meetings(&[("a", &named), ("b", &paths(&[], &[("/srv/a", how)]))])), 1);
        }
    }

    #[test]
    fn one_alone_meets_nobody() {
        let both = paths(&[("/srv/a", Written::Named)], &[("/srv/a/b", Followed::Shown)]);
        assert_eq!(meetings(&[("a", &both)]), []);
    }
}
