# The flake and the examples without a binary cache: their outputs out of stub packages. `holds` evaluates to the names of
# what does not hold; `package` is the package, with the machine's programs in place of cargo's, and `refused` the check of a
# policy that must not build.
{
  # Where the built programs are; null evaluates without them.
  programs ? null,
}:
let
  lib = import <nixpkgs/lib>;
  pkgs = import ./stub {
    inherit lib;
    overrides =
      { builders, ... }@set:
      import ./rust.nix {
        programs =
          if programs == null then
            "/programs"
          else
            builtins.path {
              path = programs;
              name = "programs";
              filter = path: _: lib.elem (baseNameOf path) [ "sandboxed" "sandboxed-launch" "sandboxed-probe" ];
            };
      } set
      // lib.genAttrs [ "cargo" "clippy" "debootstrap" "installShellFiles" "nftables" "nixfmt-tree" "rust-analyzer" "rustfmt" ] builders.stub
      // {
        mkShell = shell: builders.mkDerivation ({ name = "shell"; } // shell);
        testers = {
          runNixOSTest = test: builders.stub "test";
          # The builder as it is, whose failure is the success.
          testBuildFailure =
            package:
            builtins.derivation (
              package.drvAttrs
              // {
                args = [
                  "-c"
                  ''
                    PATH=/usr/bin:/bin
                    if ${package.drvAttrs.builder} ${lib.escapeShellArgs package.drvAttrs.args} > log 2>&1; then exit 1; fi
                    . .attrs.sh
                    mkdir ''${outputs[out]}
                    cp log ''${outputs[out]}/testBuildFailure.log
                    # The last word is the shell's: a program that is the builder itself closes its output before it ends,
                    # and Nix kills a builder whose output has ended.
                    exit 0
                  ''
                ];
              }
            );
        };
        nixos = module: system [ module ];
      };
  };
  # nixpkgs as a flake has it.
  nixpkgs = {
    lib = lib // {
      nixosSystem = { modules, ... }: system modules;
    };
    legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (_: pkgs);
  };
  system =
    modules:
    import <nixpkgs/nixos/lib/eval-config.nix> {
      inherit lib pkgs modules;
      system = null;
    };

  lock = builtins.fromJSON (builtins.readFile ../../../flake.lock);
  outputs =
    flake: inputs:
    let
      self = (import flake).outputs (inputs // { inherit self; });
    in
    self;
  flake = outputs ../../../flake.nix { inherit nixpkgs; };
  x86 = output: flake.${output}.x86_64-linux;
  derivation = value: builtins.isString value.drvPath;

  example = directory: outputs (../../../examples + "/${directory}/flake.nix") { inherit nixpkgs; sandboxed = flake; };
  # A host's units; refers to the sandboxes' derivation.
  builds = host: builtins.isString host.config.environment.etc."systemd/system".source.drvPath;
  sandboxesOf = host: lib.attrNames (lib.filterAttrs (_: sandbox: sandbox.enable) host.config.services.sandboxed);

  # colmena: each host is the defaults and its own, with options of its own for deployment.
  hive = import ../../../examples/fleet/hive.nix {
    nixpkgs = _: pkgs;
    sandboxed = flake;
  };
  fleet = lib.mapAttrs (
    name: host:
    system [
      { options.deployment = lib.mkOption { type = lib.types.attrsOf lib.types.anything; }; }
      { _module.args = { inherit name; }; }
      hive.defaults
      host
    ]
  ) (removeAttrs hive [ "meta" "defaults" ]);

  expectations = {
    "the package is one for each system" = lib.attrNames flake.packages == [ "aarch64-linux" "x86_64-linux" ];
    "the package is a derivation" = derivation (x86 "packages").default;
    "the programs of the inside are static" = (x86 "packages").default.inside.drvPath == (pkgs.pkgsStatic.callPackage ../../inside.nix { }).drvPath;
    "the overlay has the same package" = (flake.overlays.default pkgs pkgs).sandboxed.drvPath == (x86 "packages").default.drvPath;
    "the application is the command line" = (x86 "apps").default.program == "${(x86 "packages").default}/bin/sandboxed";
    "the shell is a derivation" = derivation (x86 "devShells").default;
    "the formatter is a derivation" = derivation (x86 "formatter");
    "every test on machines is a check" = lib.all (name: (x86 "checks") ? ${name}) (
      [ "package" "refused-policy" ] ++ lib.attrNames (import ../default.nix { inherit pkgs; })
    );
    "the lock is of the branch that the flake names" =
      (import ../../../flake.nix).inputs.nixpkgs.url
      == (with lock.nodes.nixpkgs.original; "github:${owner}/${repo}/${ref}");
    "the lock names contents" = builtins.match "[0-9a-f]{40}" lock.nodes.nixpkgs.locked.rev != null && lib.hasPrefix "sha256-" lock.nodes.nixpkgs.locked.narHash;

    "the minimal example evaluates" = builds (example "minimal").nixosConfigurations.homeserver;
    "the example with overrides evaluates" = builds (example "overrides").nixosConfigurations.homeserver;
    "the example with overrides has both sandboxes" =
      sandboxesOf (example "overrides").nixosConfigurations.homeserver == [ "synapse" "thumbnailer" ];
    "the fleet's hosts evaluate" = lib.length (lib.attrNames fleet) == 3 && lib.all builds (lib.attrValues fleet);
    "the fleet's largest host differs in its memory" =
      lib.mapAttrs (_: host: host.config.services.sandboxed.synapse.resources.memory) fleet
      == { alpha = "2G"; beta = "16G"; gamma = "2G"; };
  };
in
{
  holds = builtins.filter (name: !expectations.${name}) (builtins.attrNames expectations);
  package = (x86 "packages").default;
  refused = (x86 "checks").refused-policy;
}
