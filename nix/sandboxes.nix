# The one derivation that computes every sandbox of a host: drop-ins, slices, helper units and the ruleset.
{
  lib,
  runCommand,
  writeText,
  jq,
  nftables,
  util-linux,
  sandboxed,
}:
{ target, sandboxes }:
let
  every = lib.attrValues sandboxes;
  joined = field: lib.foldl' (all: sandbox: all // sandbox.${field}) { } every;

  # A policy that names store paths (a certificate bundle, a plugin) needs their closure too: as a file it has references.
  policyRoot =
    policy: lib.optional (builtins.hasContext policy) (writeText "sandboxed-policy" policy);
in
runCommand "sandboxes"
  {
    # Every value below reaches the builder as it is, whatever characters it holds.
    __structuredAttrs = true;
    nativeBuildInputs = [ jq nftables sandboxed util-linux ];
    preferLocalBuild = true;
    allowSubstitutes = false;

    target = builtins.toJSON target;
    policies = builtins.mapAttrs (_: sandbox: sandbox.policy) sandboxes;
    packaged = joined "packaged";
    texts = joined "texts";
    exportReferencesGraph = lib.mapAttrs' (
      name: sandbox: lib.nameValuePair "closure-${name}" (sandbox.roots ++ policyRoot sandbox.policy)
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
      { echo "# $shipped"; cat "$shipped"; echo; } >> "units/$unit"
    done
    for unit in "''${!texts[@]}"; do
      { echo "# ''${texts[$unit]}"; cat "''${texts[$unit]}"; echo; } >> "units/$unit"
    done

    sandboxed build policies/*.json --target target.json --unit-text units --closure closures --out "$out"
  ''
