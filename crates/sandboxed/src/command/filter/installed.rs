//! The rules of the sandboxes that are installed, for an owner of the table that begins anew.

use std::{fs, path::Path};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";
/// How the name of a file with a sandbox's map elements ends; the one with its chains has `.nft` there.
const ELEMENTS: &str = "+elements.nft";

/// The rules of all sandboxes in this folder whose slices exist, as one script.
pub(super) fn running(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return String::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(ELEMENTS).map(str::to_owned))
        .collect();
    names.sort();
    let mut script = String::new();
    for name in names {
        let [chains, elements] =
            [".nft", ELEMENTS].map(|end| fs::read_to_string(folder.join(format!("{name}{end}"))));
        if let (Ok(chains), Ok(elements)) = (chains, elements)
            && groups(&elements).all(|group| Path::new(GROUPS).join(group).is_dir())
        {
            script.push_str(&chains);
            script.push_str(&elements);
        }
    }
    script
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
        assert_eq!(running(folder.path()), "chains of sandboxed-b\nelements of no group\n");
    }
}
