# The command line, the launcher and the probe, with manual pages and completions.
{
  lib,
  rustPlatform,
  installShellFiles,
  stdenv,
}:
let
  workspace = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace.package;
  programs = [
    "sandboxed"
    "sandboxed-launch"
    "sandboxed-probe"
  ];
in
rustPlatform.buildRustPackage {
  pname = "sandboxed";
  inherit (workspace) version;

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

  # The workspace's chores and its tests on booted machines are no part of the package.
  cargoBuildFlags = lib.concatMap (program: [ "-p" program ]) programs;
  cargoTestFlags = [ "--workspace" "--exclude" "xtask" "--exclude" "sandboxed-testbed" ];

  nativeBuildInputs = [ installShellFiles ];
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/sandboxed man --out manual
    installManPage manual/*
    installShellCompletion --cmd sandboxed \
      --bash <($out/bin/sandboxed completions bash) \
      --fish <($out/bin/sandboxed completions fish) \
      --zsh <($out/bin/sandboxed completions zsh)
  '';

  meta = {
    description = "Run a service you only half trust as an ordinary systemd unit, kept apart from the machine";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "sandboxed";
    platforms = lib.platforms.linux;
  };
}
