# The one line, on a homeserver that people use: it works, through its reverse proxy, and nothing that the probe tries
# from inside is open that the plan says is closed.
{
  name = "sandboxed-synapse";

  nodes.homeserver = {
      virtualisation.memorySize = 2048;
      services.matrix-synapse = {
        enable = true;
        settings = {
          server_name = "homeserver";
          database.name = "sqlite3";
          # Needs a library that not every package of Synapse has, and the internet.
          url_preview_enabled = false;
          registration_shared_secret = "not a secret here";
        };
      };
      services.sandboxed.synapse.enable = true;

      services.nginx = {
        enable = true;
        virtualHosts.homeserver.locations."/_matrix".proxyPass = "http://127.0.0.1:8008";
      };
      networking.firewall.allowedTCPPorts = [ 80 ];
    };

  nodes.client =
    { pkgs, ... }:
    {
      environment.systemPackages = [ pkgs.curl ];
    };

  testScript = ''
    import json

    MATRIX = "http://homeserver/_matrix/client/v3"


    def ask(method, path, body=None, token=None):
        words = ["curl", "--fail-with-body", "--silent", "--request", method]
        words += ["--header", f"'Authorization: Bearer {token}'"] if token else []
        words += ["--data", f"'{json.dumps(body)}'"] if body is not None else []
        return json.loads(client.succeed(" ".join(words + [f"'{MATRIX}{path}'"])))


    start_all()
    homeserver.wait_for_unit("matrix-synapse.service")
    homeserver.wait_for_unit("nginx.service")
    homeserver.wait_for_open_port(8008)
    client.wait_for_unit("multi-user.target")

    with subtest("the unit has the drop-in, its slice and its filter"):
        assert "zz-sandboxed.conf" in homeserver.succeed("systemctl cat matrix-synapse.service")
        slice = homeserver.succeed("systemctl show --value --property=Slice matrix-synapse.service").strip()
        assert slice == "sandboxed-synapse.slice", slice
        homeserver.require_unit_state("sandboxed-synapse-filter.service", "active")

    with subtest("people use it"):
        homeserver.succeed("matrix-synapse-register_new_matrix_user --no-admin --user alice --password alice")
        login = ask("POST", "/login", {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}, "password": "alice"})
        token = login["access_token"]
        room = ask("POST", "/createRoom", {}, token)["room_id"]
        sent = ask("PUT", f"/rooms/{room}/send/m.room.message/1", {"msgtype": "m.text", "body": "hello"}, token)
        seen = ask("GET", f"/rooms/{room}/event/{sent['event_id']}", None, token)
        assert seen["content"]["body"] == "hello", seen

    with subtest("it reloads, restarts and stops as it did"):
        homeserver.succeed("systemctl reload matrix-synapse.service")
        homeserver.succeed("systemctl restart matrix-synapse.service")
        homeserver.wait_for_open_port(8008)
        assert ask("GET", "/account/whoami", None, token)["user_id"] == "@alice:homeserver"

    with subtest("of the store it sees its closure"):
        pid = homeserver.succeed("systemctl show --value --property=MainPID matrix-synapse.service").strip()
        seen = set(homeserver.succeed(f"ls /proc/{pid}/root/nix/store").split())
        unit = homeserver.succeed("dirname $(readlink -f /etc/systemd/system/matrix-synapse.service)").strip()
        launcher = homeserver.succeed("dirname $(dirname $(readlink -f $(which sandboxed-launch)))").strip()
        closure = {path.split("/")[3] for path in homeserver.succeed(f"nix-store --query --requisites {unit} {launcher}").split()}
        assert seen == closure, seen ^ closure
        # What the system consists of, of which its unit says nothing.
        assert homeserver.succeed("readlink -f /run/current-system").strip().split("/")[3] not in seen
        homeserver.fail(f"touch /proc/{pid}/root{unit}/written")
        assert homeserver.succeed(f"ls /proc/{pid}/root/nix").split() == ["store"], "the daemon's socket or the database is visible"

    with subtest("what the plan says is closed is closed"):
        # The exit status says whether all of it is closed.
        report = json.loads(homeserver.execute("sandboxed verify --json synapse")[1])
        facts = [fact for fact in report["kernel"] if not fact["as_planned"]]
        assert report["kernel"] and not facts, facts
        # Whoever runs this machine as a container may keep the controllers that take these for itself.
        missing = {"cpu", "io", "memory", "pids"} - set(homeserver.succeed("cat /sys/fs/cgroup/cgroup.controllers").split())
        limits = {"disk-bandwidth", "memory", "processor-time", "swap-space", "tasks"} if missing else set()
        broken = {channel["channel"] for channel in report["channels"] if channel["broken"]}
        assert len(report["channels"]) > 100 and broken <= limits, f"open although the plan says closed: {broken - limits}"
  '';
}
