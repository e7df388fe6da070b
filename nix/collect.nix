# What the configuration says about each sandbox: its policy, its units, and where its share of the store begins; and of the
# host's units what could have a say in that.
# Everything that can be wrong is found here, at evaluation, and says which option to change.
{
  config,
  lib,
  policyFields,
  namePattern,
  generateUnits,
}:
enabled:
let
  inherit (builtins) attrNames concatStringsSep toJSON;
  units = config.systemd.units;
  presets = import ./presets.nix { inherit config lib; };

  option = name: field: "services.sandboxed.${lib.strings.escapeNixIdentifier name}.${field}";

  # What was set of the policy itself.
  defined = sandbox: builtins.intersectAttrs policyFields sandbox;

  unitsOf =
    name: sandbox: preset:
    let
      given =
        if sandbox ? unit && sandbox ? units then
          throw "${option name "unit"} and ${option name "units"} are both set: keep `units`, with every unit of the service."
        else if sandbox ? unit then
          [ sandbox.unit ]
        else if sandbox ? units then
          sandbox.units
        else if preset != null then
          preset.units units
        else
          throw ''
            services.sandboxed.${name}: no preset has this name, so it does not say which service it is for.
            Set ${option name "unit"} to the unit to sandbox, or ${option name "preset"} to one of: ${concatStringsSep ", " presets.names}.'';
    in
    if given == [ ] then
      throw "${option name "units"} is empty: name the units of the service, or leave it out."
    else
      given;

  # The template of an instance; of another unit itself.
  templateOf =
    unit:
    let
      parts = builtins.match "([^@]+@)[^@]*([.][a-z]+)" unit;
    in
    if parts == null then unit else lib.concatStrings parts;

  # The unit's derivation holds its text with scripts and environment resolved, so its references are what the service needs.
  derivationOf =
    name: sandbox: unit:
    let
      known = units.${unit} or units.${templateOf unit} or null;
    in
    if known == null && !sandbox ? unitPackage then
      throw ''
        services.sandboxed.${name}: this configuration has no unit `${unit}', so there is nothing to sandbox.
        Enable the service itself, correct ${option name "units"}, or set ${option name "unitPackage"} if the unit comes from a package.''
    else if known != null && !known.enable then
      throw ''
        services.sandboxed.${name}: the unit `${unit}' is disabled (systemd.units."${unit}".enable = false), so there is nothing to sandbox.
        Enable it, or set ${option name "enable"} to false.''
    else
      known;

  # A unit has one slice and one drop-in of ours: the second sandbox would quietly replace the first.
  claimed = lib.zipAttrs (
    lib.concatLists (
      lib.mapAttrsToList (name: sandbox: map (unit: { ${unit} = name; }) sandbox.unitNames) collected
    )
  );
  unclaimed =
    name: unit:
    let
      names = claimed.${unit};
    in
    if builtins.tail names == [ ] then
      unit
    else
      throw "${concatStringsSep " and " (map (n: option n "units") names)} both hold `${unit}'. A unit has one sandbox: merge them, or disable one.";

  collect =
    name: sandbox:
    let
      # The attribute's name is no option, so that no type looks at it; units, rules and files are called by it.
      presetName =
        lib.throwIf (builtins.match namePattern name == null)
          "services.sandboxed.${lib.strings.escapeNixIdentifier name}: the name of a sandbox has to match ${namePattern}. Choose another, and say by its `unit' which service it is for."
          sandbox.preset or (if presets.has name then name else null);
      preset =
        if presetName == null then
          null
        else if presets.has presetName then
          presets.get presetName
        else
          throw "${option name "preset"}: there is no preset `${presetName}'. Presets: ${concatStringsSep ", " presets.names}.";
      unitNames = unitsOf name sandbox preset;
      policy = toJSON (
        lib.recursiveUpdate (if preset == null then { } else preset.needs) (defined sandbox)
        // {
          version = 1;
          inherit name;
          units = map (unclaimed name) unitNames;
        }
        // lib.optionalAttrs (presetName != null) { preset = presetName; }
      );
      found = lib.genAttrs unitNames (derivationOf name sandbox);
      # Of the socket units there is nothing to read, but they must exist.
      sockets = map (derivationOf name sandbox) (sandbox.sockets or [ ]);
      defining = lib.filterAttrs (_: unit: unit != null) found;
    in
    {
      inherit policy unitNames;
      # Units that a package is said to ship.
      packaged = lib.optionalAttrs (sandbox ? unitPackage) (lib.genAttrs unitNames (_: "${sandbox.unitPackage}"));
      roots = builtins.deepSeq (map (socket: socket == null || socket.enable) sockets) (
        lib.mapAttrsToList (_: unit: unit.unit) defining
        ++ lib.optional (sandbox ? unitPackage) sandbox.unitPackage
        ++ sandbox.packages
      );
    };

  collected = builtins.mapAttrs collect enabled;

  # What could say something of a sandboxed unit, hand it sockets, or take the place of a unit of ours.
  unitNames = lib.concatMap (sandbox: sandbox.unitNames) (lib.attrValues collected);
  concerning = lib.genAttrs (unitNames ++ map templateOf unitNames) (_: null);
  concerns = name: concerning ? ${name} || lib.hasSuffix ".socket" name || lib.hasPrefix "sandboxed" name;
  around = lib.filterAttrs (
    name: unit: lib.any concerns ([ name ] ++ unit.aliases or [ ]) && !lib.elem name config.systemd.suppressedSystemUnits
  ) units;
in
{
  sandboxes = collected;

  # These units as NixOS itself lays them out, with all that packages add to them, but without what comes of the sandboxes:
  # what is planned from, and what ours must not meet.
  without = generateUnits {
    # As those of the system, without the links that only make sense among all of them.
    type = "initrd";
    units = around;
    upstreamUnits = [ ];
    upstreamWants = [ ];
    packages = lib.filter (package: !package.isSandboxes or false) config.systemd.packages;
  };
}
