{
  services.matrix-synapse = {
    enable = true;
    settings.server_name = "example.org";
    settings.database.name = "sqlite3";
  };

  # The one line.
  services.sandboxed.synapse.enable = true;

  # TLS ends at a reverse proxy on the same machine: the preset lets it reach Synapse's port, and Synapse reach nothing.
  services.nginx = {
    enable = true;
    virtualHosts."example.org" = {
      enableACME = true;
      forceSSL = true;
      locations."/_matrix".proxyPass = "http://127.0.0.1:8008";
    };
  };
  security.acme.acceptTerms = true;
  security.acme.defaults.email = "admin@example.org";
  networking.firewall.allowedTCPPorts = [
    80
    443
  ];

  networking.hostName = "homeserver";
  fileSystems."/".device = "/dev/disk/by-label/nixos";
  boot.loader.grub.device = "/dev/vda";
  system.stateVersion = "26.05";
}
