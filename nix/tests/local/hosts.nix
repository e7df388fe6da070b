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
}
