# A package set just large enough to evaluate NixOS' real module list and to build the units of a configuration where
# neither nixpkgs' packages nor a binary cache can be had. Builders are the machine's own tools, so everything here
# builds in milliseconds; what is tested is the module, never these packages.
{
  lib,
  # Packages that a test wants to be real: `{ pkgs }: { name = derivation; }`.
  overrides ? _: { },
}:
let
  system = "x86_64-linux";
  builders = import ./builders.nix { inherit lib system pkgs; };
  inherit (builders) stub;

  # Every package that the modules of these tests force, by name. An evaluation that needs another one names it.
  named =
    lib.genAttrs (import ./names.nix) (name: stub name)
    // lib.genAttrs [ "xorg" "gnome" "kdePackages" "nodePackages" "perlPackages" ] (
      set: lib.genAttrs [ "lndir" "xorgserver" ] (name: stub "${set}-${name}")
    );

  pkgs =
    named
    // builders
    // import ./special.nix { inherit lib pkgs builders; }
    // {
      inherit lib system;
      _type = "pkgs";
      config = { };
      overlays = [ ];
      path = <nixpkgs>;
      appendOverlays = extra: lib.foldl' (acc: overlay: acc // overlay acc acc) pkgs extra;
      extend = overlay: pkgs // overlay pkgs pkgs;
      callPackage = lib.callPackageWith pkgs;
      callPackages = lib.callPackagesWith pkgs;
      newScope = extra: lib.callPackageWith (pkgs // extra);
      stdenv = {
        hostPlatform = lib.systems.elaborate system;
        buildPlatform = lib.systems.elaborate system;
        targetPlatform = lib.systems.elaborate system;
        inherit system;
        cc = stub "cc" // { libc = stub "libc"; bintools.dynamicLinker = "/lib64/ld-linux-x86-64.so.2"; };
        inherit (pkgs.stdenv.hostPlatform) is64bit is32bit isLinux isx86_64 isx86_32 isAarch64 isAarch32;
        mkDerivation = builders.mkDerivation;
      };
      inherit (pkgs.stdenv) hostPlatform buildPlatform targetPlatform;
      buildPackages = pkgs;
      pkgsBuildBuild = pkgs;
      pkgsStatic = pkgs;
      __splicedPackages = pkgs;
      pkgsi686Linux = pkgs;
      targetPackages = pkgs;
    }
    // overrides { inherit pkgs builders; };
in
pkgs
