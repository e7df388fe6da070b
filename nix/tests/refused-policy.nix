# A policy that the binary refuses does not become a system, and the build says why.
{ pkgs }:
let
  host = pkgs.nixos {
    imports = [ ../module.nix ];
    boot.isContainer = true;
    system.stateVersion = "26.05";
    systemd.services.writer.serviceConfig = {
      ExecStart = "${pkgs.coreutils}/bin/sleep infinity";
      User = "nobody";
    };
    services.sandboxed.writer = {
      enable = true;
      unit = "writer.service";
      # Each is fine, and so is every option; only together they let the service run what it wrote.
      filesystem.state = [ "/var/lib/writer" ];
      filesystem.executable = [ "/var/lib/writer/plugins" ];
    };
  };
  sandboxes = pkgs.lib.findFirst (package: package.name == "sandboxes") null host.config.systemd.packages;
  failed = pkgs.testers.testBuildFailure sandboxes;
in
pkgs.runCommand "refused-policy" { } ''
  grep 'could write `/var/lib/writer.* and execute it' ${failed}/testBuildFailure.log
  touch $out
''
