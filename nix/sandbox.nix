# The options of one sandbox: the policy's, and what only NixOS knows.
{ lib, policyOptions }:
let
  inherit (lib) mkOption types;
in
policyOptions
// {
  enable = mkOption {
    type = types.bool;
    defaultText = false;
    example = true;
    description = "Whether to run this service in a sandbox.";
  };
  unit = mkOption {
    type = types.str;
    example = "matrix-synapse.service";
    description = "The unit of the service, for a service of one unit that has no preset. The same as `units` with one name.";
  };
  unitPackage = mkOption {
    type = types.package;
    description = ''
      The package that ships the unit, for a unit that comes from `systemd.packages` rather than from `systemd.services`:
      this configuration does not hold its text.
    '';
  };
  packages = mkOption {
    type = types.listOf types.package;
    defaultText = [ ];
    example = lib.literalExpression "[ pkgs.ffmpeg ]";
    description = ''
      Packages that the service runs or reads without its unit's naming them. They are visible to it with all that they
      depend on, as are those that the unit or the policy refers to; nothing else of the store is.
    '';
  };
}
