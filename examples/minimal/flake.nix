{
  description = "A Matrix homeserver, kept apart from the machine that it runs on";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  inputs.sandboxed.url = "path:../..";
  inputs.sandboxed.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, sandboxed, ... }:
    {
      nixosConfigurations.homeserver = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [
          sandboxed.nixosModules.default
          ./configuration.nix
        ];
      };
    };
}
