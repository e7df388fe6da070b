# A switch that changes nothing but a policy restarts its service, and no other.
{
  name = "sandboxed-upgrade";

  nodes.machine =
    { lib, pkgs, ... }:
    {
      systemd.services = lib.genAttrs [ "changed" "unchanged" ] (_: {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = "${pkgs.coreutils}/bin/sleep infinity";
          User = "nobody";
        };
      });
      services.sandboxed = lib.genAttrs [ "changed" "unchanged" ] (name: {
        enable = true;
        unit = "${name}.service";
      });

      specialisation.next.configuration.services.sandboxed.changed.resources.tasks = 7;
      specialisation.without.configuration.services.sandboxed.changed.enable = lib.mkForce false;
    };

  testScript = ''
    def pid(name):
        return machine.succeed(f"systemctl show --value --property=MainPID {name}.service").strip()


    def show(name, what):
        return machine.succeed(f"systemctl show --value --property={what} {name}.service").strip()


    machine.wait_for_unit("changed.service")
    machine.wait_for_unit("unchanged.service")
    before = {name: pid(name) for name in ("changed", "unchanged")}
    toplevel = machine.succeed("readlink -f /run/current-system").strip()

    machine.succeed(f"{toplevel}/specialisation/next/bin/switch-to-configuration test")
    machine.wait_for_unit("changed.service")
    assert pid("changed") != before["changed"], "the service with the changed policy still runs under the old one"
    assert pid("unchanged") == before["unchanged"], "a service whose policy is as it was has been restarted"
    limit = machine.succeed("systemctl show --value --property=TasksMax changed.service sandboxed-changed.slice").split()
    assert "7" in limit, limit

    with subtest("a sandbox that is taken away is gone"):
        machine.succeed(f"{toplevel}/specialisation/without/bin/switch-to-configuration test")
        machine.wait_for_unit("changed.service")
        assert show("changed", "Slice") == "system.slice", show("changed", "Slice")
        assert "zz-sandboxed.conf" not in machine.succeed("systemctl cat changed.service")
        assert show("unchanged", "Slice") == "sandboxed-unchanged.slice"
  '';
}
