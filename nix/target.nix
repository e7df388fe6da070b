# What the sandboxes will run on, read from the configuration.
{
  config,
  lib,
  pkgs,
}:
let
  firewall = config.networking.firewall;
  ports =
    single: ranges:
    map toString single ++ map (range: "${toString range.from}-${toString range.to}") ranges;
in
{
  distribution = "nixos";
  systemd = config.systemd.package.version;
  kernel = config.boot.kernelPackages.kernel.version;
  netfilter = if config.networking.nftables.enable then "nftables" else "iptables";
  # Where NixOS keeps what our units run.
  programs = {
    nft = "${pkgs.nftables}/bin/nft";
    launcher = "${config.programs.sandboxed.package}/bin/sandboxed-launch";
    sandboxed = "${config.programs.sandboxed.package}/bin/sandboxed";
  };
}
// lib.optionalAttrs firewall.enable {
  # What another machine may reach: "the host's other addresses" are no more open to a sandboxed service than to it.
  firewall = {
    tcp = ports firewall.allowedTCPPorts firewall.allowedTCPPortRanges;
    udp = ports firewall.allowedUDPPorts firewall.allowedUDPPortRanges;
  };
}
