{
  description = "A homeserver with a database beside it, and a service without a preset";

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
