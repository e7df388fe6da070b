# The launcher and the probe: the programs of ours that run inside of a sandbox. Static, so that nothing that a service
# can influence is loaded into them, and nothing has to be visible to it for their sake; taken from `pkgsStatic`.
{ lib, rustPlatform }:
let
  programs = [
    "sandboxed-launch"
    "sandboxed-probe"
  ];
in
rustPlatform.buildRustPackage {
  pname = "sandboxed-inside";
  inherit (import ./source.nix { inherit lib; }) version src cargoLock;

  cargoBuildFlags = lib.concatMap (program: [ "-p" program ]) programs;
  # Their tests are run with those of the command line.
  doCheck = false;

  meta = {
    description = "Init and probe of a sandboxed service";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "sandboxed-launch";
    platforms = lib.platforms.linux;
  };
}
