# The command line with manual pages and completions, and beside it the launcher and the probe.
{
  lib,
  rustPlatform,
  installShellFiles,
  stdenv,
  pkgsStatic,
}:
let
  source = import ./source.nix { inherit lib; };
  inside = pkgsStatic.callPackage ./inside.nix { };
in
rustPlatform.buildRustPackage {
  pname = "sandboxed";
  inherit (source) version src cargoLock;

  # The workspace's chores and its tests on booted machines are no part of the package.
  cargoBuildFlags = [ "-p" "sandboxed" ];
  cargoTestFlags = [ "--workspace" "--exclude" "xtask" "--exclude" "sandboxed-testbed" "--exclude" "sandboxed-cases" ];

  nativeBuildInputs = [ installShellFiles ];
  postInstall = ''
    ln -s ${inside}/bin/* $out/bin/
  ''
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/sandboxed man --out manual
    installManPage manual/*
    installShellCompletion --cmd sandboxed \
      --bash <($out/bin/sandboxed completions bash) \
      --fish <($out/bin/sandboxed completions fish) \
      --zsh <($out/bin/sandboxed completions zsh)
  '';

  # What a sandboxed service sees of this package.
  passthru = { inherit inside; };

  meta = source.meta // {
    description = "Run a service you only half trust as an ordinary systemd unit, kept apart from the machine";
    mainProgram = "sandboxed";
  };
}
