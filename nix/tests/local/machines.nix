# The tests on virtual machines, as far as evaluation goes: their scripts, and the units of every machine and of every
# generation that they switch to. `holds` evaluates to the names of what does not hold, `scripts` to the scripts.
let
  lib = import <nixpkgs/lib>;
  pkgs = (import ./host.nix { } [ ]).pkgs;
  framework = import <nixpkgs/nixos/lib> { inherit lib; };
  tests = import ../default.nix {
    pkgs = pkgs // {
      nixos = _: throw "the refused policy needs a build";
      testers.runNixOSTest =
        test:
        (framework.evalTest {
          imports = [ test ];
          hostPkgs = pkgs;
          defaults.nixpkgs.pkgs = lib.mkForce pkgs;
        }).config;
    };
  };
  machines = removeAttrs tests [ "refused-policy" ];

  unitsOf = configuration: builtins.isString configuration.environment.etc."systemd/system".source.drvPath;
  holds =
    test:
    builtins.stringLength test.testScriptString > 100
    && builtins.all (
      node: unitsOf node && builtins.all (special: unitsOf special.configuration) (builtins.attrValues node.specialisation)
    ) (builtins.attrValues test.nodes);
in
{
  holds = builtins.filter (name: !holds machines.${name}) (builtins.attrNames machines);
  scripts = builtins.mapAttrs (_: test: {
    script = test.testScriptString;
    machines = builtins.attrNames test.nodes;
  }) machines;
}
