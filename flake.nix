{
  description = "Run a service you only half trust as an ordinary systemd unit, kept apart from the machine";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      packageFor = pkgs: self.packages.${pkgs.stdenv.hostPlatform.system}.default;
    in
    {
      packages = each (pkgs: {
        default = pkgs.callPackage ./nix/package.nix { };
      });

      overlays.default = final: _: { sandboxed = final.callPackage ./nix/package.nix { }; };

      nixosModules.default = ./nix/module.nix;

      apps = each (pkgs: {
        default = {
          type = "app";
          program = "${packageFor pkgs}/bin/sandboxed";
          meta.description = "Compute, explain, apply and verify sandboxes";
        };
      });

      devShells = each (pkgs: {
        default = pkgs.callPackage ./nix/shell.nix { sandboxed = packageFor pkgs; };
      });

      checks = each (
        pkgs:
        import ./nix/tests { inherit pkgs; }
        // {
          package = packageFor pkgs;
        }
      );

      formatter = each (pkgs: pkgs.nixfmt-tree);
    };
}
