{ nixpkgs, sandboxed }:
{
  meta.nixpkgs = import nixpkgs {
    system = "x86_64-linux";
    # Every host shares one build of the tool.
    overlays = [ sandboxed.overlays.default ];
  };

  # What all hosts have in common: the homeserver, its sandbox, and how it is deployed.
  defaults =
    { lib, name, ... }:
    {
      imports = [ sandboxed.nixosModules.default ];

      deployment.targetHost = "${name}.example.org";
      deployment.tags = [ "homeserver" ];

      services.matrix-synapse = {
        enable = true;
        settings.server_name = "${name}.example.org";
        settings.database.name = "sqlite3";
      };
      services.sandboxed.synapse = {
        enable = true;
        resources.memory = lib.mkDefault "2G";
      };

      networking.hostName = name;
      fileSystems."/".device = "/dev/disk/by-label/nixos";
      boot.loader.grub.device = "/dev/vda";
      system.stateVersion = "26.05";
    };

  alpha = { };

  # A larger machine.
  beta.services.sandboxed.synapse.resources.memory = "16G";

  # One whose firewall is nftables: the sandbox is the same, its target is read from the configuration.
  gamma.networking.nftables.enable = true;
}
