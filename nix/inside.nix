# The launcher and the probe: the programs of ours that run inside of a sandbox. Static, so that nothing that a service
# can influence is loaded into them, and nothing has to be visible to it for their sake; taken from `pkgsStatic`.
{ lib, rustPlatform }:
let
  source = import ./source.nix { inherit lib; };
  programs = [
    "sandboxed-launch"
    "sandboxed-probe"
  ];
in
rustPlatform.buildRustPackage {
  pname = "sandboxed-inside";
  inherit (source) version src cargoLock;

  cargoBuildFlags = lib.concatMap (program: [ "-p" program ]) programs;
  # Their tests are run with those of the command line.
  doCheck = false;

  meta = source.meta // {
    description = "Init and probe of a sandboxed service";
    mainProgram = "sandboxed-launch";
  };
}
