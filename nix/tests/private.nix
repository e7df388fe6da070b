# A service with a network of its own is reached where its policy says so, and reaches nothing of the machine.
{
  name = "sandboxed-private";

  nodes.machine =
    { pkgs, ... }:
    {
      systemd.services.closed = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${pkgs.python3}/bin/python3 -m http.server 9001";
      };
      systemd.services.offering = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          User = "offering";
          StateDirectory = "offering";
          # Tries the other in each way that a service of the same machine could, and serves what came of it.
          ExecStartPre = pkgs.writeShellScript "try" ''
            for host in 127.0.0.1 198.51.100.1; do
              ${pkgs.curl}/bin/curl --silent --max-time 2 --output /dev/null http://$host:9001/ && echo reached
            done > /var/lib/offering/tries || true
            echo tried >> /var/lib/offering/tries
          '';
          ExecStart = "${pkgs.python3}/bin/python3 -m http.server --directory /var/lib/offering --bind 127.0.0.1 9002";
        };
      };
      users.users.offering = {
        isSystemUser = true;
        group = "offering";
      };
      users.groups.offering = { };
      networking.interfaces.lo.ipv4.addresses = [ { address = "198.51.100.1"; prefixLength = 32; } ];
      services.sandboxed.offering = {
        enable = true;
        unit = "offering.service";
        filesystem.state = [ "/var/lib/offering" ];
        network.mode = "private";
        network.listen = [ { port = 9002; } ];
        network.resolver = "none";
      };

      specialisation.filtered.configuration.services.sandboxed.offering.network.mode = pkgs.lib.mkForce "filtered";
    };

  testScript = ''
    machine.wait_for_open_port(9001)
    machine.wait_for_unit("offering.service")

    with subtest("it is reached, and has reached nothing"):
        tries = machine.wait_until_succeeds("curl --silent --fail --max-time 5 http://127.0.0.1:9002/tries")
        assert tries.split() == ["tried"], tries
        pid = machine.succeed("systemctl show --value --property=MainPID offering.service").strip()
        own, machines = (machine.succeed(f"readlink /proc/{process}/ns/net") for process in (pid, 1))
        assert own != machines, "its network is the machine's"

    with subtest("a switch changes its network to the machine's, and takes its own away"):
        machine.succeed("/run/current-system/specialisation/filtered/bin/switch-to-configuration test")
        machine.wait_for_unit("offering.service")
        tries = machine.wait_until_succeeds("curl --silent --fail --max-time 5 http://127.0.0.1:9002/tries")
        assert tries.split() == ["tried"], tries
        machine.require_unit_state("sandboxed-offering-network.service", "inactive")
        machine.fail("test -e /run/netns/sandboxed-offering")
  '';
}
