# What the sandboxes will run on, read from the configuration.
{
  config,
  lib,
  pkgs,
}:
let
  firewall = config.networking.firewall;
  inherit (config.programs.sandboxed) package;
  # What the kernel's command line takes away.
  said = name: lib.concatMap (lib.splitString ",") (
    map (lib.removePrefix "${name}=") (lib.filter (lib.hasPrefix "${name}=") config.boot.kernelParams)
  );
  ports =
    single: ranges:
    map toString single ++ map (range: "${toString range.from}-${toString range.to}") ranges;
in
{
  distribution = "nixos";
  systemd = config.systemd.package.version;
  kernel = config.boot.kernelPackages.kernel.version;
  # Whichever of the two the host's own firewall is made with: the kernel has nf_tables, and our helper brings nft. Its
  # table stands beside iptables' and is not part of `networking.nftables`.
  netfilter = "nftables";
  # In a container the store is mounted by its host, of which nothing is known here.
  readOnlyStore = !config.boot.isContainer && (if config.boot ? nixStoreMountOpts then lib.elem "ro" config.boot.nixStoreMountOpts else config.boot.readOnlyNixStore);
  cgroups = if lib.elem "0" (said "systemd.unified_cgroup_hierarchy") then "legacy" else "unified";
  controllers = lib.subtractLists (said "cgroup_disable") [ "cpu" "io" "memory" "pids" ];
  # Not a path of the store: a change of one policy would change the helpers of all sandboxes, and restart their services.
  rules = "/etc/sandboxed/nftables";
  # What a service asks by default; those that a lease brings are not known here.
  nameServers =
    if config.services.resolved.enable then
      [ "127.0.0.53" ]
    else
      lib.filter (server: builtins.match "[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*" server != null) config.networking.nameservers;
  # Where NixOS keeps what our units run.
  programs = {
    ip = "${pkgs.iproute2}/bin/ip";
    nft = "${pkgs.nftables}/bin/nft";
    systemctl = "${config.systemd.package}/bin/systemctl";
    systemd-socket-proxyd = "${config.systemd.package}/lib/systemd/systemd-socket-proxyd";
    sandboxed-launch = "${package.inside or package}/bin/sandboxed-launch";
    sandboxed = "${package}/bin/sandboxed";
  };
}
// lib.optionalAttrs firewall.enable {
  # What another machine may reach: "the host's other addresses" are no more open to a sandboxed service than to it.
  firewall = {
    tcp = ports firewall.allowedTCPPorts firewall.allowedTCPPortRanges;
    udp = ports firewall.allowedUDPPorts firewall.allowedUDPPortRanges;
  };
}
