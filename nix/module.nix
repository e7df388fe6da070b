# services.sandboxed.<name>: a service of this configuration, kept apart from the machine.
#
# Reads any part of the configuration, writes only packages and a file in /etc: nothing here can feed back into the
# unit that it reads. The unit's own definition stays where it is, so a sandbox for a unit that nobody defines is noticed.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (lib) mkOption types;

  schema = builtins.fromJSON (builtins.readFile ../schema/sandboxed.schema.json);
  read = import ./schema.nix schema;
  inherit (import ./options.nix { inherit lib; }) closed optionsOf;

  # What the attribute's name says already, and what only files need.
  policyFields = removeAttrs read.fields [ "$schema" "description" "name" "version" ];

  sandboxes = pkgs.callPackage ./sandboxes.nix { sandboxed = config.programs.sandboxed.package; } {
    target = import ./target.nix { inherit config lib pkgs; };
    inherit
      (import ./collect.nix {
        inherit config lib policyFields;
        inherit (utils.systemdUtils.lib) generateUnits;
        namePattern = read.fields.name.pattern;
      } enabled)
      sandboxes
      without
      ;
  };

  enabled = lib.filterAttrs (_: sandbox: sandbox.enable) config.services.sandboxed;
in
{
  options.services.sandboxed = mkOption {
    default = { };
    description = ''
      Services that are kept apart from this machine as if each ran on one of its own.
      The options are those of the policy; what is not set is left to the preset, and then to the safest value.
    '';
    example = lib.literalExpression "{ synapse.enable = true; }";
    type = types.attrsOf (closed {
      options = import ./sandbox.nix {
        inherit lib;
        policyOptions = optionsOf { fields = policyFields; };
      };
      defaults = {
        enable = false;
        packages = [ ];
      };
    });
  };

  options.programs.sandboxed.package = mkOption {
    type = types.package;
    default = pkgs.sandboxed or (pkgs.callPackage ./package.nix { });
    defaultText = lib.literalExpression "pkgs.sandboxed";
    description = "What computes the sandboxes at build time, and is installed to explain and verify them.";
  };

  config = lib.mkIf (enabled != { }) {
    systemd.packages = [ sandboxes ];
    # The empty directories that become the services' roots.
    systemd.tmpfiles.packages = [ sandboxes ];
    # The rules, and of each sandbox its policy, its plan and what it sees as its /etc/resolv.conf.
    environment.etc = {
      "sandboxed/nftables".source = "${sandboxes}/lib/nftables";
    }
    // lib.mapAttrs' (name: _: lib.nameValuePair "sandboxed/${name}" { source = "${sandboxes}/lib/sandboxed/${name}"; }) enabled;
    # It takes what answers it on any interface at its word, also on one that leads to a sandbox alone.
    networking.dhcpcd.denyInterfaces = [ "sb-*" ];
    environment.systemPackages = [ config.programs.sandboxed.package ];
  };
}
