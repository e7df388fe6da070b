# Whatever the host's firewall does, the filter of a sandbox stays: reloaded, restarted, flushed, switched.
{ nftables }:
{
  name = "sandboxed-firewall-${if nftables then "nftables" else "iptables"}";

  nodes.machine =
    { lib, pkgs, ... }:
    {
      networking.nftables.enable = nftables;
      networking.firewall.enable = true;

      # What must not be reached, what may be, and one that tries both again and again and writes down what it got.
      systemd.services.closed = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${pkgs.python3}/bin/python3 -m http.server 9001";
      };
      systemd.services.offered = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${pkgs.python3}/bin/python3 -m http.server 9002";
      };
      systemd.services.trier = {
        wantedBy = [ "multi-user.target" ];
        after = [ "closed.service" "offered.service" ];
        path = [ pkgs.curl ];
        script = ''
          while true; do
            for port in 9001 9002; do
              if curl --silent --max-time 2 --output /dev/null http://127.0.0.1:$port/; then echo reached >> /var/lib/trier/$port; else echo refused >> /var/lib/trier/$port; fi
            done
            sleep 0.05
          done
        '';
        serviceConfig = {
          DynamicUser = false;
          User = "trier";
          StateDirectory = "trier";
        };
      };
      users.users.trier = {
        isSystemUser = true;
        group = "trier";
      };
      users.groups.trier = { };
      services.sandboxed.trier = {
        enable = true;
        unit = "trier.service";
        filesystem.state = [ "/var/lib/trier" ];
        network.allow = [ "tcp 127.0.0.1:9002" ];
      };

      specialisation.other.configuration.networking.firewall.allowedTCPPorts = [ 4242 ];
    };

  testScript = ''
    machine.wait_for_unit("multi-user.target")
    machine.wait_for_open_port(9001)
    machine.wait_for_open_port(9002)
    machine.wait_until_succeeds("grep reached /var/lib/trier/9002")


    def tries():
        """Wait for attempts that begin after this moment."""
        lines = int(machine.succeed("wc -l < /var/lib/trier/9001"))
        machine.wait_until_succeeds(f"test $(wc -l < /var/lib/trier/9001) -gt {lines + 4}")


    def holds(what):
        with subtest(what):
            tries()
            machine.fail("grep reached /var/lib/trier/9001")
            assert "reached" in machine.succeed("tail -n 2 /var/lib/trier/9002"), "what is allowed is no longer reached"
            machine.succeed("systemctl is-active trier.service")


    firewall = "${if nftables then "nftables" else "firewall"}.service"
    holds("at first")
    pid = machine.succeed("systemctl show --value --property=MainPID trier.service")
    machine.succeed(f"systemctl reload {firewall}")
    holds("after a reload")
    machine.succeed(f"systemctl restart {firewall}")
    holds("after a restart")
    machine.succeed(f"systemctl stop {firewall}")
    holds("without the host's firewall")
    machine.succeed(f"systemctl start {firewall}")
    machine.succeed("/run/current-system/specialisation/other/bin/switch-to-configuration test")
    holds("after a switch that changes the firewall")
    assert pid == machine.succeed("systemctl show --value --property=MainPID trier.service"), "the service was restarted"

    with subtest("a flushed ruleset never leaves the service unfiltered"):
        machine.succeed("nft flush ruleset || iptables --flush")
        # Either the table survives, or the service is stopped with its filter: what it must not do is reach the port.
        machine.sleep(3)
        machine.fail("grep reached /var/lib/trier/9001")
  '';
}
