# Configurations that must not evaluate, and what the error has to say: the option, and what to do.
{
  unknown-option = {
    configuration.services.sandboxed.synapse.network.mod = "none";
    says = [
      "The option `services.sandboxed.synapse.network.mod' does not exist"
      "Did you mean `services.sandboxed.synapse.network.mode'"
    ];
  };
  unknown-area = {
    configuration.services.sandboxed.synapse.netwrk = { };
    says = [ "Did you mean `services.sandboxed.synapse.network'" ];
  };
  unknown-guarantee = {
    configuration.services.sandboxed.synapse.accept.no-write-exec = "JIT";
    says = [ "Did you mean `services.sandboxed.synapse.accept.no-write-execute'" ];
  };
  wrong-name = {
    configuration.services.sandboxed."a/b" = {
      enable = true;
      unit = "matrix-synapse.service";
    };
    says = [ "services.sandboxed.\"a/b\": the name of a sandbox has to match" ];
  };
  alias = {
    configuration = {
      systemd.services.matrix-synapse.aliases = [ "homeserver.service" ];
      services.sandboxed.other = {
        enable = true;
        unit = "homeserver.service";
      };
    };
    says = [ "this configuration has no unit `homeserver.service'" ];
  };
  wrong-word = {
    configuration.services.sandboxed.synapse.network.mode = "open";
    says = [ "services.sandboxed.synapse.network.mode' is not of type `one of \"filtered\", \"private\", \"joined\", \"none\"'" ];
  };
  wrong-type = {
    configuration.services.sandboxed.synapse.resources.tasks = "many";
    says = [ "services.sandboxed.synapse.resources.tasks' is not of type `integer between 1 and" ];
  };
  relative-path = {
    configuration.services.sandboxed.synapse.filesystem.state = [ "var/lib/x" ];
    says = [
      "services.sandboxed.synapse.filesystem.state"
      "An absolute path on the host"
    ];
  };
  # A path literal would be copied into the store.
  path-literal = {
    configuration.services.sandboxed.synapse.filesystem.readable = [ /etc/hosts ];
    says = [
      "services.sandboxed.synapse.filesystem.readable"
      "An absolute path on the host"
    ];
  };
  missing-field = {
    configuration.services.sandboxed.synapse.network.listen = [ { protocol = "udp"; } ];
    says = [
      "services.sandboxed.synapse.network.listen"
      ".port' must be set"
    ];
  };
  credential-name = {
    configuration.services.sandboxed.synapse.secrets.credentials."a/b" = "/run/secrets/x";
    says = [ "services.sandboxed.synapse.secrets.credentials' has a name that does not match" ];
  };
  two-values = {
    configuration.imports = [
      { services.sandboxed.synapse.network.mode = "none"; }
      { services.sandboxed.synapse.network.mode = "filtered"; }
    ];
    says = [ "services.sandboxed.synapse.network.mode' has conflicting definition" ];
  };
  no-unit = {
    configuration.services.matrix-synapse.enable = false;
    says = [
      "services.sandboxed.synapse: this configuration has no unit `matrix-synapse.service'"
      "Enable the service itself"
    ];
  };
  no-socket = {
    configuration.services.sandboxed.synapse.sockets = [ "matrix-synapse.socket" ];
    says = [ "this configuration has no unit `matrix-synapse.socket'" ];
  };
  disabled-unit = {
    configuration.systemd.services.matrix-synapse.enable = false;
    says = [ "the unit `matrix-synapse.service' is disabled" ];
  };
  no-preset = {
    configuration.services.sandboxed.other.enable = true;
    says = [
      "services.sandboxed.other: no preset has this name"
      "Set services.sandboxed.other.unit"
    ];
  };
  unknown-preset = {
    configuration.services.sandboxed.synapse.preset = "synaps";
    says = [ "services.sandboxed.synapse.preset: there is no preset `synaps'" ];
  };
  no-units = {
    configuration.services.sandboxed.synapse.units = [ ];
    says = [ "services.sandboxed.synapse.units is empty" ];
  };
  unit-and-units = {
    configuration.services.sandboxed.synapse = {
      unit = "matrix-synapse.service";
      units = [ "matrix-synapse.service" ];
    };
    says = [ "services.sandboxed.synapse.unit and services.sandboxed.synapse.units are both set" ];
  };
  two-sandboxes = {
    configuration.services.sandboxed.second = {
      enable = true;
      unit = "matrix-synapse.service";
    };
    says = [
      "services.sandboxed.second.units and services.sandboxed.synapse.units both hold `matrix-synapse.service'"
      "merge them"
    ];
  };
}
