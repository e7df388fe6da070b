# The hosts that build.sh builds the units of.
{ programs }:
let
  host = import ./host.nix { programs = builtins.path { path = programs; name = "programs"; filter = path: _: builtins.elem (baseNameOf path) [ "sandboxed" "sandboxed-launch" "sandboxed-probe" ]; }; };
  one.services.sandboxed.synapse.enable = true;
  packaged =
    contents:
    { pkgs, ... }:
    let
      package = pkgs.writeTextDir contents ''
        [Service]
        ExecStart=${pkgs.coreutils}/bin/sleep infinity
        User=nobody
      '';
    in
    {
      systemd.packages = [ package ];
      services.sandboxed.packaged = {
        enable = true;
        unit = "packaged.service";
        unitPackage = package;
      };
    };
  # A package that says something of units: their files below systemd/system, by name.
  saying =
    files:
    { pkgs, ... }:
    {
      systemd.packages = pkgs.lib.mapAttrsToList (file: text: pkgs.writeTextDir "lib/systemd/system/${file}" text) files;
    };
in
{
  one = host [ one ];
  workers = host [
    one
    {
      services.matrix-synapse = {
        configureRedisLocally = true;
        workers.media = { };
      };
    }
  ];
  # A network of its own, and a port that is handed through.
  private = host [
    one
    { services.sandboxed.synapse.network.mode = "private"; }
  ];
  packaged = host [ (packaged "lib/systemd/system/packaged.service") ];
  missing = host [ (packaged "lib/systemd/system/other.service") ];
  # Writable and executable: the binary knows that these do not go together, the schema does not.
  refused = host [
    one
    { services.sandboxed.synapse.filesystem.executable = [ "/var/lib/matrix-synapse/plugins" ]; }
  ];
  # What packages say of a unit before the sandbox does is planned from, as what NixOS itself overrides.
  early = host [
    one
    (saying {
      "matrix-synapse.service.d/10-hook.conf" = "[Service]\nExecStartPre=+/nix/store/hook --as-root\n";
      "matrix-.service.d/20-directory.conf" = "[Service]\nCacheDirectory=matrix-media\n";
    })
    { services.sandboxed.synapse.filesystem.executable = [ "/nix/store/hook" ]; }
  ];
  # What they say afterwards, of the unit or of all services, would undo it.
  late = host [
    one
    (saying { "matrix-synapse.service.d/zzz-late.conf" = "[Service]\nPrivateUsers=no\n"; })
  ];
  late-of-all = host [
    one
    (saying { "service.d/zzz-late.conf" = "[Service]\nPrivateUsers=no\n"; })
  ];
  late-of-an-alias = host [
    one
    { systemd.services.matrix-synapse.aliases = [ "homeserver.service" ]; }
    (saying { "homeserver.service.d/zzz-late.conf" = "[Service]\nPrivateUsers=no\n"; })
  ];
  same-name = host [
    one
    (saying { "matrix-synapse.service.d/zz-sandboxed.conf" = "[Service]\nPrivateUsers=no\n"; })
  ];
  socket = host [
    one
    { systemd.sockets.elsewhere.socketConfig = { ListenStream = 80; Service = "matrix-synapse.service"; }; }
  ];
  # The units of the sandbox's own are part of it.
  helper = host [
    one
    { systemd.services.sandboxed-synapse-filter.serviceConfig.ExecStart = [ "" "/bin/true" ]; }
  ];
  slice = host [
    one
    { systemd.slices.sandboxed-synapse.sliceConfig.MemoryMax = "infinity"; }
  ];
  helper-alias = host [
    one
    {
      systemd.services.other = {
        serviceConfig.ExecStart = "/bin/true";
        aliases = [ "sandboxed-synapse-filter.service" ];
      };
    }
  ];
  helper-packaged = host [
    one
    (saying { "sandboxed-.slice.d/limits.conf" = "[Slice]\nTasksMax=infinity\n"; })
  ];
  # A switch would leave the service running as it was.
  kept-running = host [
    one
    { systemd.services.matrix-synapse.restartIfChanged = false; }
  ];
  only-reloaded = host [
    one
    { systemd.services.matrix-synapse.reloadIfChanged = true; }
  ];
  unmanaged = host [
    one
    { systemd.services.matrix-synapse.unitConfig.RefuseManualStop = true; }
  ];
  taken-over = host [
    one
    {
      systemd.services.other = {
        serviceConfig.ExecStart = "/bin/true";
        aliases = [ "matrix-synapse.service" ];
      };
    }
  ];
}
