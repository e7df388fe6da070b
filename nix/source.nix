# What the packages are built from: the workspace, without what only its maintainers use.
{ lib }:
{
  inherit ((builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace.package) version;
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.lock
      ../Cargo.toml
      ../crates
      ../docs
      ../presets
      ../schema
      ../tests
      ../xtask
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  meta = {
    license = with lib.licenses; [
      mit
      asl20
    ];
    platforms = lib.platforms.linux;
  };
}
