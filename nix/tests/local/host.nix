# A NixOS host of stub packages with the module and a homeserver: what the local tests are configurations of.
{
  # Where the built programs are (target/debug); null evaluates without them.
  programs ? null,
  # Whether the module is part of the host.
  imported ? true,
}:
modules:
let
  lib = import <nixpkgs/lib>;
  pkgs = import ./stub {
    inherit lib;
    overrides =
      { builders, ... }:
      {
        sandboxed =
          if programs == null then
            builders.stub "sandboxed"
          else
            builders.runCommand "sandboxed" { } ''
              mkdir -p $out/bin
              for program in sandboxed sandboxed-launch sandboxed-probe; do
                if [ -e ${programs}/$program ]; then cp ${programs}/$program $out/bin/; fi
              done
            '';
        # The machine's own.
        nftables = builders.runCommand "nftables" { } "mkdir -p $out/bin; ln -s /usr/sbin/nft $out/bin/nft";
      };
  };
  system = import <nixpkgs/nixos/lib/eval-config.nix> {
    inherit lib pkgs;
    system = null;
    modules = lib.optional imported ../../module.nix ++ [
      {
        fileSystems."/".device = "/dev/disk/by-label/nixos";
        boot.loader.grub.device = "/dev/vda";
        system.stateVersion = "25.05";
        documentation.enable = false;
        networking.hostName = "host";
        services.matrix-synapse = {
          enable = lib.mkDefault true;
          settings.server_name = "example.org";
          settings.database.name = "sqlite3";
        };
      }
    ]
    ++ modules;
  };
in
system
// {
  inherit pkgs;
  units = system.config.environment.etc."systemd/system".source;
}
