//! The rules of the sandboxes that are installed, for an owner of the table that begins anew.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Result;
use sandboxed_netfilter::{filter::Filter, name::CgroupPath};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";
/// The slice that those of all sandboxes are in.
const COMMON: &str = "sandboxed.slice";
/// How the name of a file with a sandbox's map elements ends; the one with its chains has `.nft` there.
const ELEMENTS: &str = "+elements.nft";

/// The rules of the sandboxes in this folder whose slices exist, each with the name of its files, and what of them cannot be
/// read.
pub(super) fn running(folder: &Path) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut rules, mut unread) = (BTreeMap::new(), Vec::new());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return (rules, vec![format!("can't read {}: {error}", folder.display())]),
    };
    let mut read = |file: String| {
        let path = folder.join(file);
        let text = fs::read_to_string(&path);
        text.map_err(|error| unread.push(format!("can't read {}: {error}", path.display()))).ok()
    };
    for name in entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(ELEMENTS).map(str::to_owned))
    {
        let (chains, elements) = (read(format!("{name}.nft")), read(format!("{name}{ELEMENTS}")));
        if let (Some(chains), Some(elements)) = (chains, elements)
            && groups(&elements).all(is_there)
        {
            rules.insert(name, chains + &elements);
        }
    }
    (rules, unread)
}

/// What refuses all that is in the slice of all sandboxes and has no rules, if there is that slice.
///
/// # Errors
/// None, as its name is one.
pub(super) fn closing() -> Result<String> {
    if !is_there(COMMON) {
        return Ok(String::new());
    }
    Ok(Filter::close(&CgroupPath::new(COMMON)?).to_string())
}

fn is_there(group: &str) -> bool {
    Path::new(GROUPS).join(group).is_dir()
}

/// The control groups that map elements name: all that is between quotes there.
fn groups(elements: &str) -> impl Iterator<Item = &str> {
    elements.split('"').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELEMENTS_OF_A: &str = r#"add element inet sandboxed root { "nowhere.slice" }
add element inet sandboxed services { "nowhere.slice/nowhere-a.slice" : goto service-a }
"#;

    #[test]
    fn the_groups_of_elements_are_found() {
        let found: Vec<_> = groups(ELEMENTS_OF_A).collect();
        assert_eq!(found, ["nowhere.slice", "nowhere.slice/nowhere-a.slice"]);
    }

    #[test]
    fn what_has_no_slice_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("sandboxed.nft", "table");
        for name in ["sandboxed-a", "sandboxed-b"] {
            write(&format!("{name}.nft"), &format!("chains of {name}\n"));
        }
        write("sandboxed-a+elements.nft", ELEMENTS_OF_A);
        write("sandboxed-b+elements.nft", "elements of no group\n");
        let (rules, unread) = running(folder.path());
        let all: Vec<_> = rules.into_iter().collect();
        assert_eq!(
            all,
            [("sandboxed-b".to_owned(), "chains of sandboxed-b\nelements of no group\n".to_owned())]
        );
        assert!(unread.is_empty(), "{unread:?}");
        write("sandboxed-c+elements.nft", "elements of no group\n");
        let (rules, unread) = running(folder.path());
        assert_eq!(rules.len(), 1);
        assert!(unread.iter().any(|file| file.contains("sandboxed-c.nft")), "{unread:?}");
    }
}
