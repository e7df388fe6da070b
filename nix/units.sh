# Part of sandboxes.nix: the host's units as systemd will read them, from $without, which holds them without what comes of
# the sandboxes; and that nothing of the host's is said of the units of ours.
# shellcheck shell=bash disable=SC2154

refuse() {
  echo "services.sandboxed: $1" >&2
  exit 1
}

# Other names of units, which NixOS makes as links beside them: aliases.
declare -A other_names=()
while IFS=$'\t' read -r alias unit; do
  if [[ $unit != */* ]]; then other_names[$unit]+=" $alias"; fi
done < <(find "$without" -maxdepth 1 -type l -printf '%f\t%l\n')

# Where systemd looks for drop-ins of a unit of this name, the first place before all others: systemd.unit(5).
drop_in_directories() {
  local name=$1 type=${1##*.} stem=${1%.*} instance=
  echo "$name.d"
  if [[ $stem = *@?* ]]; then
    instance=${stem#*@}
    drop_in_directories "${stem%%@*}@.$type"
  fi
  local at=
  if [[ $stem = *@* ]]; then at=@$instance; fi
  # a-b-c is of a-b- and of a- too.
  local prefix=${stem%%@*}
  prefix=${prefix%-}
  if [[ $prefix = ?*-* ]]; then drop_in_directories "${prefix%-*}-$at.$type"; fi
}

# The drop-ins of a unit, in the order in which they are read. Of two by the same name only the first one is.
drop_ins() {
  local unit=$1 type=${1##*.} alias directory file
  declare -A found=()
  while read -r directory; do
    for file in "$without/$directory"/*.conf; do
      if [ ! -e "$file" ]; then continue; fi
      : "${found[${file##*/}]:=$file}"
    done
  done < <(
    drop_in_directories "$unit"
    for alias in ${other_names[$unit]-}; do drop_in_directories "$alias"; done
    echo "$type.d"
  )
  printf '%s\n' "${!found[@]}" | LC_ALL=C sort | while read -r file; do
    if [ -n "$file" ]; then echo "${found[$file]}"; fi
  done
}

# The text of a unit, as `systemctl cat` gives it.
text_of() {
  local unit=$1 file=$without/$1
  if [[ ! -e $file && $unit =~ ^([^@]+@)[^@]*([.][a-z]+)$ ]]; then
    file=$without/${BASH_REMATCH[1]}${BASH_REMATCH[2]}
  fi
  if [ ! -e "$file" ]; then refuse "this configuration has no unit $unit once it is built, so there is nothing to sandbox"; fi
  if [[ -L $file && $(readlink "$file") != */* ]]; then
    refuse "$unit is another name of $(readlink "$file"): name that one in \`units', or take $unit out of its aliases"
  fi
  { echo "$file"; drop_ins "$unit"; } | while read -r file; do
    echo "# /etc/systemd/system/${file#"$without"/}"
    cat "$file"
    echo
  done
}

# The texts of all sandboxed units, and of all socket units of the host: any could hand on what it made outside of a sandbox.
write_units() {
  local unit
  for unit in "${unitNames[@]}"; do text_of "$unit" > "$1/$unit"; done
  for unit in "$without"/*.socket; do
    # Neither what is masked nor another name.
    if [[ ! -f $unit || (-L $unit && $(readlink "$unit") != */*) ]]; then continue; fi
    text_of "${unit##*/}" > "$1/${unit##*/}"
  done
}

# The directives that a file sets.
directives_of() { sed -n 's/^[[:space:]]*\([A-Za-z-]*\)[[:space:]]*=.*/\1/p' "$1" | sort -u; }

# Ends the build where the host has units or drop-ins that change the units of ours: they are part of the sandbox.
refuse_others() {
  local file unit drop_in
  for file in "$1"/*; do
    unit=${file##*/}
    if [ -d "$file" ]; then
      for drop_in in "$file"/*.conf; do
        if [ -e "$without/$unit/${drop_in##*/}" ]; then
          refuse "$(readlink -f "$without/$unit/${drop_in##*/}") would meet the sandbox's own $unit/${drop_in##*/}: give it another name"
        fi
      done
      continue
    fi
    if [ -e "$without/$unit" ] || [ -L "$without/$unit" ]; then
      refuse "this configuration defines $unit, which is a unit of the sandboxes' own: take it out of systemd.*; what a sandbox may do is said in its options"
    fi
    while read -r drop_in; do
      # What is said of all units of a type is about ours only where it sets what they set.
      if [[ $drop_in = */slice.d/* || $(basename "$(dirname "$drop_in")") = *.*.d ]] ||
        [ -n "$(comm -12 <(directives_of "$drop_in") <(directives_of "$file"))" ]; then
        refuse "$(readlink -f "$drop_in") changes $unit, which is a unit of the sandboxes' own: take it out of systemd.packages; what a sandbox may do is said in its options"
      fi
    done < <(drop_ins "$unit")
  done
}
