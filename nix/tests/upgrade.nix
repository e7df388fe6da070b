# A switch that changes nothing but a policy restarts its service, and no other.
{
  name = "sandboxed-upgrade";

  nodes.machine =
    { lib, pkgs, ... }:
    {
      systemd.services =
        lib.genAttrs [ "changed" "unchanged" "by-hand" ] (name: {
          # Started by hand, so that no target brings it back.
          wantedBy = lib.optional (name != "by-hand") "multi-user.target";
          serviceConfig = {
            ExecStart = "${pkgs.coreutils}/bin/sleep infinity";
            User = "runner";
          };
        });
      users.users.runner = {
        isSystemUser = true;
        group = "runner";
      };
      users.groups.runner = { };
      services.sandboxed = lib.genAttrs [ "changed" "unchanged" "by-hand" ] (name: {
        enable = true;
        unit = "${name}.service";
      });

      specialisation.directives.configuration.services.sandboxed.changed.filesystem.readable = [ "-/srv/data" ];
      specialisation.rules.configuration.services.sandboxed.by-hand.network.allow = [ "tcp 127.0.0.1:5432" ];
      specialisation.limits.configuration.services.sandboxed.changed.resources.tasks = 7;
      specialisation.without.configuration.services.sandboxed.changed.enable = lib.mkForce false;
    };

  testScript = ''
    NAMES = ("changed", "unchanged", "by-hand")


    def show(unit, what):
        return machine.succeed(f"systemctl show --value --property={what} {unit}").strip()


    def restarted_by(specialisation):
        """Switch to it: the services that became other processes. All of them run."""
        before = {name: show(f"{name}.service", "MainPID") for name in NAMES}
        machine.succeed(f"{toplevel}/specialisation/{specialisation}/bin/switch-to-configuration test")
        for name in NAMES:
            machine.wait_for_unit(f"{name}.service")
        return {name for name in NAMES if show(f"{name}.service", "MainPID") != before[name]}


    machine.wait_for_unit("changed.service")
    machine.wait_for_unit("unchanged.service")
    machine.succeed("systemctl start by-hand.service")
    toplevel = machine.succeed("readlink -f /run/current-system").strip()

    with subtest("what a service may do changes by a restart, of this service alone"):
        assert (restarted := restarted_by("directives")) == {"changed"}, restarted

    with subtest("so does what it may reach, also where nothing but a person started it"):
        # The way back to the first configuration takes the other change back.
        assert (restarted := restarted_by("rules")) == {"changed", "by-hand"}, restarted
        assert "127.0.0.1 . 5432" in machine.succeed("nft list table inet sandboxed | tr -d '\\n'"), "the rule is not loaded"

    with subtest("limits of the slice change while it runs"):
        assert (restarted := restarted_by("limits")) == {"by-hand"}, restarted
        assert show("sandboxed-changed.slice", "TasksMax") == "7"

    with subtest("a sandbox that is taken away is gone"):
        assert (restarted := restarted_by("without")) == {"changed"}, restarted
        assert show("changed.service", "Slice") == "system.slice", show("changed.service", "Slice")
        assert "zz-sandboxed.conf" not in machine.succeed("systemctl cat changed.service")
        assert show("unchanged.service", "Slice") == "sandboxed-unchanged.slice"
  '';
}
