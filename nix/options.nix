# Options out of the schema: its types, defaults, descriptions and allowed values, as NixOS says them.
#
# An object of the schema becomes one option type, not a submodule: it merges only the fields that are defined, by the module
# system's own rules (mkIf, mkForce, lists concatenate), so a sandbox costs what it sets and nothing for what it leaves out.
# What is not defined is absent from the value: the preset and the binary decide it.
{ lib }:
let
  inherit (lib) mkOption types;
  inherit (lib.options) showDefs showOption;

  typeOf =
    node:
    let
      bare = ofKind.${node.kind} node;
    in
    if node.nullable or false then types.nullOr bare else bare;

  ofKind = {
    any = _: types.anything;
    bool = _: types.bool;
    number = _: types.number;
    integer =
      { minimum, maximum, ... }:
      if minimum != null && maximum != null then
        types.ints.between minimum maximum
      else if minimum == 0 then
        types.ints.unsigned
      else if minimum == null && maximum == null then
        types.int
      else
        types.addCheck types.int (
          n: (minimum == null || n >= minimum) && (maximum == null || n <= maximum)
        );
    string =
      { pattern, meant, ... }:
      if pattern == null then
        types.str
      else
        types.strMatching pattern // {
          description = if meant == null then "string matching ${pattern}" else "string: ${meant}";
          descriptionClass = "nonRestrictiveClause";
        };
    enum = { values, ... }: types.enum values;
    list = { of, ... }: types.listOf (typeOf of);
    map =
      { of, names, ... }:
      let
        inner = types.attrsOf (typeOf of);
      in
      if names == null then
        inner
      else
        inner
        // {
          merge =
            loc: defs:
            inner.merge loc (
              map (
                def:
                lib.throwIf (lib.any (n: builtins.match names n == null) (lib.attrNames def.value))
                  "`${showOption loc}' has a name that does not match `${names}':${showDefs [ def ]}"
                  def
              ) defs
            );
        };
    union = { of, ... }: types.oneOf (map typeOf of);
    object = node: closed { inherit (node) required; options = optionsOf node; };
    choice =
      node:
      closed {
        options = optionsOf node;
        accepts =
          loc: value:
          lib.length (lib.attrNames value) == 1
          || throw "`${showOption loc}' takes exactly one of: ${lib.concatStringsSep ", " (lib.attrNames node.fields)}";
      };
  };

  optionsOf = node: builtins.mapAttrs (_: optionOf) node.fields;

  # An object of known fields, each an option; `defaults` are what a field left out has for whoever reads it.
  closed =
    {
      options,
      required ? [ ],
      defaults ? { },
      accepts ? _: _: true,
    }:
    let
      mergeField =
        loc: name: defs:
        (lib.mergeDefinitions (loc ++ [ name ]) (
          options.${name}.type or (throw (unknown loc name (lib.attrNames options) defs))
        ) defs).optionalValue;
    in
    lib.mkOptionType {
      name = "object";
      description = "attribute set of known fields";
      descriptionClass = "noun";
      check = builtins.isAttrs;
      merge =
        loc: defs:
        let
          fields = builtins.zipAttrsWith (mergeField loc) (
            map (def: builtins.mapAttrs (_: value: { inherit (def) file; inherit value; }) def.value) defs
          );
          # A field that only a false mkIf defines, or that is null, counts as left out.
          value =
            defaults
            // builtins.mapAttrs (_: field: field.value) (
              lib.filterAttrs (_: field: field.value or null != null) fields
            );
          missing = lib.filter (name: !value ? ${name}) required;
        in
        if missing != [ ] then
          throw "`${showOption (loc ++ [ (lib.head missing) ])}' must be set:${showDefs defs}"
        else
          builtins.seq (accepts loc value) value;
      emptyValue.value = defaults;
      getSubOptions = prefix: builtins.mapAttrs (declared prefix) options;
    };

  # The same words as the module system's for an option of a submodule that does not exist.
  unknown =
    loc: name: known: defs:
    let
      distance = lib.strings.levenshtein name;
      near = lib.sort (a: b: distance a < distance b) (lib.filter (lib.strings.levenshteinAtMost 3 name) known);
    in
    "The option `${showOption (loc ++ [ name ])}' does not exist. Definition values:${showDefs defs}\n"
    + (
      if near != [ ] then
        "Did you mean `${showOption (loc ++ [ (lib.head near) ])}'?"
      else
        "`${showOption loc}' has: ${lib.concatStringsSep ", " known}."
    );

  # What the module system adds to an option when it declares one; for the documentation.
  declared =
    prefix: name: option:
    option
    // {
      inherit name;
      loc = prefix ++ [ name ];
      declarations = [ (toString ../schema/sandboxed.schema.json) ];
      declarationPositions = [ ];
      options = [ ];
      isDefined = false;
    };

  optionOf =
    node:
    mkOption (
      {
        type = typeOf node;
        description = describe node;
      }
      // lib.optionalAttrs (node ? default && node.default != null) {
        defaultText = lib.options.literalExpression (lib.generators.toPretty { } node.default);
      }
      // lib.optionalAttrs (node.examples or [ ] != [ ]) { example = lib.head node.examples; }
    );

  describe =
    node:
    lib.concatStrings (
      [ (if node.description == null then "" else node.description) ]
      ++ lib.mapAttrsToList (value: meaning: "\n- `${value}`: ${meaning}") (meaningsOf node)
    );
  meaningsOf =
    node:
    if node.kind == "list" then
      meaningsOf node.of
    else if node.kind == "union" then
      lib.foldl' (all: n: all // meaningsOf n) { } node.of
    else
      node.meanings or { };
in
{
  inherit closed optionsOf;
}
