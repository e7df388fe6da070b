# The schema reader alone: needs nothing but builtins. Evaluates to the names of what does not hold, so `[ ]` is well.
let
  read = import ../../schema.nix;
  load = file: builtins.fromJSON (builtins.readFile file);
  # A schema with every shape that schemars 1.2 makes, made by it.
  sample = (read (load ./sample.json)).fields;
  policy = read (load ../../../schema/sandboxed.schema.json);

  # Every string that a schema matches by an expression, anywhere below a node: match once, so that one which Nix does
  # not understand is an error here and not in somebody's configuration.
  expressions =
    node:
    (if node.pattern or null == null then [ ] else [ node.pattern ])
    ++ (if node.names or null == null then [ ] else [ node.names ])
    ++ builtins.concatMap expressions (builtins.attrValues (node.fields or { }))
    ++ (if node ? of then builtins.concatMap expressions (if builtins.isList node.of then node.of else [ node.of ]) else [ ]);
  matches = pattern: text: builtins.match pattern text != null;

  path = policy.fields.filesystem.fields.state.of.pattern;
  endpoint = policy.fields.network.fields.allow.of.pattern;

  expectations = {
    "an integer keeps its limits" = sample.network.fields.ports.of == {
      kind = "integer";
      minimum = 0;
      maximum = 65535;
      nullable = false;
      description = null;
    };
    "a documented enum keeps values and meanings" =
      sample.network.fields.mode.values == [ "separate" "none" ]
      && sample.network.fields.mode.meanings.none == "None at all.";
    "an undocumented enum keeps its values" = sample.network.fields.family.values == [ "v4" "v6" ];
    "a reference's own description wins" = sample.network.fields.mode.description == "Mode of it.";
    "a referenced type's description is the fallback" = sample.processes.fields.namespace.description == "Own PID namespace.";
    "a default is kept" = sample.processes.fields.namespace.default == true;
    "an example is kept" = sample.processes.fields.namespace.examples == [ true ];
    "an optional scalar is nullable" = sample.preset.kind == "string" && sample.preset.nullable;
    "an optional reference is nullable" = sample.resources.kind == "object" && sample.resources.nullable;
    "scalars are a union" = map (n: n.kind) sample.resources.fields.memory.of == [ "integer" "string" ];
    "a word or an object is a union" = map (n: n.kind) sample.network.fields.resolver.of == [ "enum" "object" ];
    "a required field is known" = sample.network.fields.listen.of.required == [ "port" ];
    "a map knows its values" = sample.accept.kind == "map" && sample.accept.of.kind == "string";
    "anything stays anything" = sample.network.fields.any.kind == "any";
    "an unanchored pattern matches anywhere" = matches sample.network.fields.state.pattern "/a";

    "every expression of the policy's schema is one that Nix matches" =
      builtins.all (pattern: builtins.isBool (matches pattern "x")) (expressions policy);
    "there are such expressions" = builtins.length (expressions policy) > 10;
    "absolute paths match" = matches path "/var/lib/x" && matches path "-/etc/x" && matches path "/";
    "other paths do not" = !matches path "var" && !matches path "/a//b" && !matches path "/a\n" && !matches path "";
    "endpoints match" = matches endpoint "tcp 127.0.0.1:5432" && matches endpoint "udp [::1]:53";
    "other endpoints do not" = !matches endpoint "127.0.0.1:5432" && !matches endpoint "tcp ::1:53";
  };
in
builtins.filter (name: !expectations.${name}) (builtins.attrNames expectations)
