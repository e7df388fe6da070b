{
  description = "Several homeservers, deployed with colmena";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  inputs.sandboxed.url = "path:../..";
  inputs.sandboxed.inputs.nixpkgs.follows = "nixpkgs";

  # `colmena apply`. A sandbox is an ordinary derivation: whatever builds the hosts (this machine, a remote builder,
  # a binary cache) builds or serves it, and a policy that is refused never reaches a host.
  outputs =
    { nixpkgs, sandboxed, ... }:
    {
      colmena = import ./hive.nix { inherit nixpkgs sandboxed; };
    };
}
