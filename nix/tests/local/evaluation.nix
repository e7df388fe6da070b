# What holds of configurations that evaluate. Evaluates to the names of what does not hold, so `[ ]` is well.
let
  lib = import <nixpkgs/lib>;
  host = import ./host.nix { };

  one = { services.sandboxed.synapse.enable = true; };
  # What reaches the builder for a configuration.
  derivationOf =
    modules: lib.findFirst (package: package.name == "sandboxes") null (host modules).config.systemd.packages;
  policyOf =
    modules: name: builtins.fromJSON (builtins.unsafeDiscardStringContext (derivationOf modules).policies.${name});
  synapse = modules: policyOf ([ one ] ++ modules) "synapse";
  set = policy: { services.sandboxed.synapse = policy; };
  targetOf = modules: builtins.fromJSON (builtins.unsafeDiscardStringContext (derivationOf ([ one ] ++ modules)).target);

  documented = builtins.listToAttrs (
    map (option: lib.nameValuePair option.name option) (
      lib.optionAttrSetToDocList { inherit ((host [ ]).options.services) sandboxed; }
    )
  );
  option = name: documented."services.sandboxed.<name>.${name}";

  workers = {
    services.matrix-synapse = {
      configureRedisLocally = true;
      workers.federation = { };
      workers.media = { };
    };
  };
  template = {
    systemd.services."worker@".serviceConfig.ExecStart = "/bin/worker %i";
    services.sandboxed.worker = {
      enable = true;
      unit = "worker@one.service";
    };
  };
  certificates = derivation {
    name = "certificates";
    system = "x86_64-linux";
    builder = "/bin/sh";
  };

  expectations = {
    "unused, it adds no package" = derivationOf [ ] == null;
    "disabled, it adds no package" = derivationOf [ { services.sandboxed.synapse.network.mode = "none"; } ] == null;
    "one line says no more than name, preset and units, and what the service's configuration needs" = synapse [ ] == {
      version = 1;
      name = "synapse";
      preset = "synapse";
      units = [ "matrix-synapse.service" ];
      ipc.journal = true;
    };
    "a homeserver that does not log to the journal may not write to it" =
      !(synapse [ { services.matrix-synapse.log = lib.mkForce { version = 1; handlers.console.class = "logging.StreamHandler"; }; } ]) ? ipc;
    "what is set wins over what the service's configuration needs" =
      (synapse [ (set { ipc.journal = false; ipc.sockets = [ "/run/postgresql" ]; }) ]).ipc == {
        journal = false;
        sockets = [ "/run/postgresql" ];
      };
    "what is set reaches the policy" = (synapse [ (set { network.mode = "none"; }) ]).network == { mode = "none"; };
    "lists of several modules are joined" =
      lib.sort lib.lessThan (synapse [
        (set { filesystem.readable = [ "/a" ]; })
        (set { filesystem.readable = [ "/b" ]; })
      ]).filesystem.readable == [ "/a" "/b" ];
    "mkForce wins" =
      (synapse [
        (set { network.mode = "none"; })
        (set { network.mode = lib.mkForce "filtered"; })
      ]).network.mode == "filtered";
    "mkDefault loses" =
      (synapse [
        (set { network.mode = "none"; })
        (set { network.mode = lib.mkDefault "filtered"; })
      ]).network.mode == "none";
    "a false mkIf sets nothing" = !(synapse [ (set { network = lib.mkIf false { mode = "none"; }; }) ]) ? network.mode;
    "a false mkIf around one field sets nothing" =
      (synapse [ (set { network = { mode = lib.mkIf false "none"; resolver = "none"; }; }) ]).network == { resolver = "none"; };
    "an empty list is a value" = (synapse [ (set { network.listen = [ ]; }) ]).network.listen == [ ];
    "what only NixOS knows stays out of the policy" =
      !(synapse [ (set { packages = [ certificates ]; }) ]) ? packages;
    "workers are part of the service" =
      lib.sort lib.lessThan (synapse [ workers ]).units == [
        "matrix-synapse-worker-federation.service"
        "matrix-synapse-worker-media.service"
        "matrix-synapse.service"
      ];
    "an instance is found by its template" = (policyOf [ template ] "worker").units == [ "worker@one.service" ];
    "a service without preset names none" = !(policyOf [ template ] "worker") ? preset;
    "the unit's own derivation is in the closure" =
      lib.elem (host [ one ]).config.systemd.units."matrix-synapse.service".unit
        (derivationOf [ one ]).exportReferencesGraph.closure-synapse;
    "packages are in the closure" =
      lib.elem certificates (derivationOf [ one (set { packages = [ certificates ]; }) ]).exportReferencesGraph.closure-synapse;
    "store paths of the policy are in the closure" =
      lib.length
        (derivationOf [ one (set { filesystem.readable = [ "${certificates}" ]; }) ]).exportReferencesGraph.closure-synapse
      == lib.length (derivationOf [ one ]).exportReferencesGraph.closure-synapse + 1;
    "the unit itself stays as it was" =
      (host [ one ]).config.systemd.units."matrix-synapse.service".text
      == (host [ ]).config.systemd.units."matrix-synapse.service".text;
    "the host's firewall is left alone" =
      let
        rules = configuration: with configuration.config.networking; [ firewall.extraCommands nftables.ruleset nftables.tables ];
      in
      rules (host [ one ]) == rules (host [ ]);

    "the target is the configuration's" =
      with targetOf [ ];
      distribution == "nixos" && systemd == "257.3" && kernel == "6.12.17" && netfilter == "nftables";
    "the sandboxes are the same beside either firewall" =
      targetOf [ { networking.nftables.enable = true; } ] == targetOf [ { networking.nftables.enable = false; } ];
    "the target knows the firewall's ports" =
      (targetOf [
        {
          networking.firewall.allowedTCPPorts = [ 22 ];
          networking.firewall.allowedUDPPortRanges = [ { from = 60000; to = 60010; } ];
        }
      ]).firewall == {
        tcp = [ "22" ];
        udp = [ "60000-60010" ];
      };
    "the target knows the name servers that the configuration names" =
      (targetOf [ { networking.nameservers = [ "192.0.2.53" "2001:db8::53" "192.0.2.54#dns.example.org" ]; } ]).nameServers
        == [ "192.0.2.53" "2001:db8::53" ]
      && (targetOf [ { services.resolved.enable = true; } ]).nameServers == [ "127.0.0.53" ];
    "the target has no controller that the kernel is told to leave out" =
      (targetOf [ { boot.kernelParams = [ "cgroup_disable=memory,pids" "quiet" ]; } ]).controllers == [ "cpu" "io" ]
      && (targetOf [ ]).controllers == [ "cpu" "io" "memory" "pids" ];
    "the target says of control groups that are not unified" =
      (targetOf [ { boot.kernelParams = [ "systemd.unified_cgroup_hierarchy=0" ]; } ]).cgroups == "legacy"
      && (targetOf [ ]).cgroups == "unified";
    "without a firewall it says so by saying nothing" = !(targetOf [ { networking.firewall.enable = false; } ]) ? firewall;

    "every field is documented" = lib.all (name: (option name).description != "") [
      "enable"
      "filesystem.readable"
      "network.listen"
      "network.mode"
      "accept.no-write-execute"
    ];
    "the fields of a list's members are documented" = (option "network.listen.*.port").type == "integer between 1 and 65535 (both inclusive)";
    "allowed values are documented" = lib.hasInfix "- `none`:" (option "network.mode").description;
    "defaults are documented" = (option "network.mode").default.text == ''"filtered"'';
    "nothing documented needs an evaluation" = builtins.isString (builtins.toJSON (
      map (o: removeAttrs o [ "declarations" ]) (builtins.attrValues documented)
    ));
  };
in
builtins.filter (name: !expectations.${name}) (builtins.attrNames expectations)
