# The tests on machines, for the testbed: the same configurations and the same scripts, out of NixOS' real module list, on a
# Debian's systemd and kernel in place of NixOS' own and with packages made of the Debian's programs. Each attribute is a
# directory: what its machine switches to, its script, and the path of a file that no sandbox may see.
{
  # The directories that make the Debian tree, the uppermost first, separated by colons.
  layers,
  # Where this project's programs are.
  programs,
}:
let
  lib = import <nixpkgs/lib>;
  pkgs = import ../local/stub {
    inherit lib;
    overrides = import ./packages.nix {
      layers = lib.splitString ":" layers;
      programs = builtins.path {
        path = programs;
        name = "programs";
        filter = path: _: lib.elem (baseNameOf path) [ "sandboxed" "sandboxed-launch" "sandboxed-probe" ];
      };
    };
  };
  framework = import <nixpkgs/nixos/lib> { inherit lib; };
  evaluate =
    test:
    (framework.evalTest {
      imports = [ test ];
      hostPkgs = pkgs;
      defaults =
        { config, ... }:
        {
          nixpkgs.pkgs = lib.mkForce pkgs;
          # Debian's nginx has its temporary files there.
          systemd.services = lib.mkIf config.services.nginx.enable { nginx.serviceConfig.StateDirectory = "nginx"; };
        };
    }).config;

  base =
    (evaluate {
      imports = [
        ../common.nix
        {
          name = "base";
          nodes.machine.networking.firewall.enable = false;
          testScript = "";
        }
      ];
    }).nodes.machine;
  toplevel = import ./toplevel.nix { inherit lib pkgs base; };

  tests = import ../default.nix {
    pkgs = pkgs // {
      testers.runNixOSTest = evaluate;
    };
  };
  # The machine that has the module; another one of a test is a neighbour that only asks.
  sandboxing = test: lib.head (lib.filter (node: test.nodes.${node}.services.sandboxed != { }) (lib.attrNames test.nodes));
in
builtins.mapAttrs (
  name: test:
  pkgs.runCommand "test-${name}"
    {
      script = test.testScriptString;
      passAsFile = [ "script" ];
      node = sandboxing test;
      others = lib.remove (sandboxing test) (lib.attrNames test.nodes);
    }
    ''
      mkdir $out
      cp "$scriptPath" $out/script.py
      echo $node > $out/node
      echo $others > $out/neighbours
      ln -s ${toplevel test.nodes.${sandboxing test}} $out/toplevel
    ''
) (removeAttrs tests [ "refused-policy" ])
