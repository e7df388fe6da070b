{ pkgs, ... }:
{
  services.matrix-synapse = {
    enable = true;
    settings.server_name = "example.org";
    settings.database.name = "psycopg2";
  };
  services.postgresql.enable = true;

  services.sandboxed.synapse = {
    enable = true;
    # The database listens on a socket of this machine: of all that runs here, Synapse may reach this.
    ipc.sockets = [ "/run/postgresql" ];
    # Thumbnails of large pictures take more than the preset's share.
    resources.memory = "4G";
    resources.tasks = 400;
    # A guarantee is given up by name and with a reason, which `sandboxed explain` repeats.
    accept.disks-shared = "the media store shares its disk with nothing that waits for it";
  };

  # A service of one's own needs no preset: name its unit and what it needs.
  systemd.services.thumbnailer = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      ExecStart = "${pkgs.python3}/bin/python3 -m http.server --bind 127.0.0.1 --directory /var/lib/thumbnailer 8090";
      User = "thumbnailer";
      StateDirectory = "thumbnailer";
    };
  };
  users.users.thumbnailer = {
    isSystemUser = true;
    group = "thumbnailer";
  };
  users.groups.thumbnailer = { };

  services.sandboxed.thumbnailer = {
    enable = true;
    unit = "thumbnailer.service";
    filesystem.state = [ "/var/lib/thumbnailer" ];
    network.listen = [ { port = 8090; } ];
    network.resolver = "none";
    # Programs that it runs without its unit's naming them.
    packages = [ pkgs.imagemagick ];
  };

  networking.hostName = "homeserver";
  fileSystems."/".device = "/dev/disk/by-label/nixos";
  boot.loader.grub.device = "/dev/vda";
  system.stateVersion = "26.05";
}
