# The shipped presets, as far as the module needs them: which units each is for. All else the binary reads itself.
{ lib }:
let
  inherit (builtins) attrNames fromJSON readFile;

  files = builtins.readDir ../presets;
  fileOf = name: "${name}.json";

  # Presets explain themselves in `//` comments on lines of their own, which builtins.fromJSON does not know.
  readPreset =
    name:
    fromJSON (
      lib.concatStringsSep "\n" (
        lib.filter (line: builtins.match "[[:space:]]*//.*" line == null) (
          lib.splitString "\n" (readFile (../presets + "/${fileOf name}"))
        )
      )
    );

  # Units that NixOS makes besides those that a preset names, by a prefix that its module gives them.
  others = {
    synapse = "matrix-synapse-worker-";
  };
in
{
  names = map (lib.removeSuffix ".json") (attrNames files);
  has = name: files ? ${fileOf name};
  get = name: {
    units =
      units:
      (readPreset name).units
      ++ lib.optionals (others ? ${name}) (
        lib.filter (unit: lib.hasPrefix others.${name} unit && lib.hasSuffix ".service" unit) (attrNames units)
      );
  };
}
