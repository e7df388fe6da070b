# One of mistakes.nix as a host, for the runner: evaluating its units has to fail.
name:
let
  mistake = (import ./mistakes.nix).${name};
in
(import ./host.nix { } [
  { services.sandboxed.synapse.enable = true; }
  mistake.configuration
]).units.drvPath
