# A service without preset that was taken over. What it tries is what the Debian cases try (tests/cases/hostile): each
# attempt that succeeds without a sandbox must fail in one.
let
  secret = "the victim's secret";
  # Those of the Debian case that a NixOS machine has a place for.
  files = [
    "/dev/shm/victim"
    "/home/victim/diary"
    "/mnt/victim"
    "/opt/victim/data"
    "/run/victim/data"
    "/srv/victim/data"
    "/tmp/victim"
    "/var/lib/victim/data"
    "/var/tmp/victim"
  ];
in
{
  name = "sandboxed-isolation";

  nodes.machine =
    { pkgs, ... }:
    let
      # In the store of the machine, as the configuration of any other service is.
      unrelated = pkgs.writeText "unrelated" secret;
      # Its path, which the service knows without depending on it: what it depends on, it sees.
      guessed = builtins.unsafeDiscardStringContext "${unrelated}";
      attack = pkgs.writeShellScript "attack" ''
        exec ${pkgs.python3}/bin/python3 ${../../tests/cases/hostile/hostile.py} "$(cat /var/lib/hostile/victim)" ${toString (files ++ [ guessed ])}
      '';
      taken-over = {
        serviceConfig = {
          Type = "oneshot";
          ExecStart = attack;
          User = "hostile";
          StateDirectory = "hostile";
        };
      };
    in
    {
      users.users.hostile = {
        isSystemUser = true;
        group = "hostile";
      };
      users.groups.hostile = { };
      environment.etc."unrelated".source = unrelated;
      # The addresses that the attempts name, as the machine's own.
      networking.interfaces.lo.ipv4.addresses = [ { address = "198.51.100.1"; prefixLength = 32; } ];
      networking.interfaces.lo.ipv6.addresses = [ { address = "2001:db8:100::1"; prefixLength = 128; } ];

      systemd.services.victim = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "notify";
          User = "hostile";
          ExecStart = "${pkgs.python3}/bin/python3 ${../../tests/cases/hostile/victim.py} \"${secret}\"";
          RuntimeDirectory = "victim";
        };
        environment.SECRET = secret;
      };

      systemd.services.unconfined = taken-over;
      systemd.services.hostile = taken-over;
      services.sandboxed.hostile = {
        enable = true;
        unit = "hostile.service";
        filesystem.state = [ "/var/lib/hostile" ];
      };
    };

  testScript = ''
    import json
    import shlex

    SECRET = shlex.quote(${builtins.toJSON secret})
    machine.wait_for_unit("victim.service")
    machine.succeed("mkdir -p /var/lib/hostile")
    machine.succeed("systemctl show --value --property=MainPID victim.service > /var/lib/hostile/victim")
    for file in ${builtins.toJSON files}:
        machine.succeed(f"mkdir -p $(dirname {file}); printf %s {SECRET} > {file}; chmod 666 {file}; chmod o+x $(dirname {file})")


    def attack(unit):
        machine.succeed(f"systemctl start {unit}.service")
        lines = machine.succeed(f"journalctl --output=cat --unit={unit}.service").splitlines()
        return json.loads(next(line for line in lines if line.startswith("{")))


    without = {attempt for attempt, obstacle in attack("unconfined").items() if obstacle is None}
    assert len(without) > 30, f"without a sandbox most attempts succeed, but only these did: {without}"
    assert any(attempt.startswith("read /nix/store/") for attempt in without), f"the store is not read: {without}"
    inside = {attempt for attempt, obstacle in attack("hostile").items() if obstacle is None}
    assert not inside, f"open from inside: {inside}"
  '';
}
