# The one derivation that computes every sandbox of a host: drop-ins, slices, helper units and rules, laid out as
# systemd.packages and systemd.tmpfiles.packages take them.
{
  lib,
  runCommand,
  writeText,
  jq,
  nftables,
  util-linux,
  sandboxed,
}:
{
  target,
  sandboxes,
  # The host's units without what comes of this.
  without,
}:
let
  joined = field: lib.foldl' (all: sandbox: all // sandbox.${field}) { } (lib.attrValues sandboxes);

  # A policy that names store paths (a certificate bundle, a plugin) needs their closure too: as a file it has references.
  policyRoot =
    policy: lib.optional (builtins.hasContext policy) (writeText "sandboxed-policy" policy);
in
runCommand "sandboxes"
  {
    # Every value below reaches the builder as it is, whatever characters it holds.
    __structuredAttrs = true;
    nativeBuildInputs = [
      jq
      nftables
      sandboxed
      util-linux
    ];
    preferLocalBuild = true;
    allowSubstitutes = false;

    target = builtins.toJSON target;
    policies = builtins.mapAttrs (_: sandbox: sandbox.policy) sandboxes;
    packaged = joined "packaged";
    unitNames = lib.concatMap (sandbox: sandbox.unitNames) (lib.attrValues sandboxes);
    without = "${without}";
    # What is planned from is all units but these.
    passthru.isSandboxes = true;
    # The launcher, which becomes the service's init, is the one program of ours that runs inside, and stands alone.
    exportReferencesGraph = lib.mapAttrs' (
      name: sandbox:
      lib.nameValuePair "closure-${name}" (sandbox.roots ++ policyRoot sandbox.policy ++ [ (sandboxed.inside or sandboxed) ])
    ) sandboxes;
  }
  ''
    mkdir policies units closures
    printf '%s' "$target" > target.json
    for name in "''${!policies[@]}"; do
      printf '%s' "''${policies[$name]}" > "policies/$name.json"
      jq -r --arg key "closure-$name" '.[$key][].path' "$NIX_ATTRS_JSON_FILE" | sort -u > "closures/$name"
    done
    for unit in "''${!packaged[@]}"; do
      shipped=
      for directory in lib etc; do
        file="''${packaged[$unit]}/$directory/systemd/system/$unit"
        if [ -e "$file" ]; then shipped=$file; fi
      done
      if [ -z "$shipped" ]; then
        echo "services.sandboxed: the unitPackage ''${packaged[$unit]} ships no unit $unit" >&2
        exit 1
      fi
      if [ ! -e "$without/$unit" ]; then
        echo "services.sandboxed: $unit is shipped by ''${packaged[$unit]}, which is not among systemd.packages" >&2
        exit 1
      fi
    done
    . ${./units.sh}
    write_units units

    sandboxed build --quiet policies/*.json --target target.json --unit-text units --closure closures --out "$out/lib"
    refuse_others "$out/lib/systemd/system"

    for name in "''${!policies[@]}"; do
      mkdir -p "$out/lib/sandboxed/$name"
      cp "policies/$name.json" "$out/lib/sandboxed/$name/policy.json"
      ln -s ../../plan.json "$out/lib/sandboxed/$name/plan.json"
    done

    # A helper names its rules by a path that stays; what they say is what a switch restarts it for, and no other one. It
    # takes its service down with it, which the switch has to know: it brings back what it stopped itself, and of the rest
    # only what a target wants.
    units=$out/lib/systemd/system
    digest() { cat "$@" | sha256sum | cut -d ' ' -f 1; }
    trigger() { printf '\n[Unit]\nX-Restart-Triggers=%s\n' "$2" >> "$1"; }
    for name in "''${!policies[@]}"; do
      rules=()
      for file in "$out/lib/nftables/sandboxed-$name"{,+elements,+remove,+private}.nft; do
        if [ -e "$file" ]; then rules+=("$file"); fi
      done
      for kind in filter network; do
        helper=$units/sandboxed-$name-$kind.service
        if [ ! -e "$helper" ]; then continue; fi
        if [ "''${#rules[@]}" != 0 ]; then trigger "$helper" "$(digest "''${rules[@]}")"; fi
        grep -lF "sandboxed-$name-$kind.service" "$units"/*.d/zz-sandboxed.conf | while read -r drop_in; do
          trigger "$drop_in" "$(digest "$helper" "$units/sandboxed-$kind.service")"
        done
      done
    done

    # The tables and chains name no control group, so the kernel can judge them here; it lets those who own a network
    # namespace ask.
    if unshare --map-root-user --net true 2> /dev/null; then
      for table in "$out"/lib/nftables/sandboxed{,+private}.nft; do
        if [ -e "$table" ]; then unshare --map-root-user --net nft --check --file "$table"; fi
      done
    else
      echo "This build may make no user namespace, so the rules are not checked here: the helper units do when they load them."
    fi
  ''
