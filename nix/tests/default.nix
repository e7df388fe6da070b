# Tests on whole machines, for `nix flake check`; one file a case. local/ has those that need no virtual machine.
{ pkgs }:
let
  machines = test: pkgs.testers.runNixOSTest { imports = [ ./common.nix test ]; };
in
{
  firewall-iptables = machines (import ./firewall.nix { nftables = false; });
  firewall-nftables = machines (import ./firewall.nix { nftables = true; });
  isolation = machines ./isolation.nix;
  private = machines ./private.nix;
  refused-policy = import ./refused-policy.nix { inherit pkgs; };
  synapse = machines ./synapse.nix;
  upgrade = machines ./upgrade.nix;
}
