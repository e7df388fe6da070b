# The shipped presets, as far as the module needs them: which units each is for, and what this configuration of the
# service needs besides. All else the binary reads itself.
{ config, lib }:
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
  # What a service needs only because of how it is configured, by preset; what is set of the sandbox wins over it.
  needs = {
    # NixOS' Synapse writes to the journal by itself, unless told otherwise; where it can't, its log is lost without a word.
    synapse = lib.optionalAttrs (lib.any (handler: handler.class or null == "systemd.journal.JournalHandler") (
      lib.attrValues (config.services.matrix-synapse.log.handlers or { })
    )) { ipc.journal = true; };
  };
in
{
  names = map (lib.removeSuffix ".json") (attrNames files);
  has = name: files ? ${fileOf name};
  get = name: {
    needs = needs.${name} or { };
    units =
      units:
      (readPreset name).units
      ++ lib.optionals (others ? ${name}) (
        lib.filter (unit: lib.hasPrefix others.${name} unit && lib.hasSuffix ".service" unit) (attrNames units)
      );
  };
}
