# What the bench evaluates: a host of plain services, of which some are sandboxed. The module's cost is the difference
# in thunks between two of these.
{
  # Whether the module is imported at all.
  imported ? true,
  sandboxed ? 0,
  # Sets a dozen fields of each sandbox rather than none.
  detailed ? false,
  services ? 4,
}:
let
  lib = import <nixpkgs/lib>;
  each = n: f: lib.genAttrs (map (i: "service-${toString i}") (lib.range 1 n)) f;
in
(import ./host.nix { inherit imported; } [
  { systemd.services = each services (name: { serviceConfig.ExecStart = "/bin/${name}"; }); }
  (lib.optionalAttrs (sandboxed > 0) {
    services.sandboxed = each sandboxed (
      name:
      {
        enable = true;
        unit = "${name}.service";
      }
      // lib.optionalAttrs detailed {
        filesystem.state = [ "/var/lib/${name}" ];
        filesystem.readable = [ "-/etc/${name}" ];
        network.listen = [
          { port = 80; }
          {
            port = 443;
            from = "anywhere";
          }
        ];
        network.allow = [ "tcp 127.0.0.1:5432" ];
        resources.memory = "2G";
        resources.tasks = 200;
        ipc.journal = true;
        accept.no-write-execute = "its interpreter compiles as it runs";
      }
    );
  })
]).units.drvPath
