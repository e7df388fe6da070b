# Reads a JSON Schema as schemars writes it into what options are made of: one attribute set for each value,
# with its `kind` and documentation, references followed. Needs nothing but Nix' builtins and is lazy throughout:
# of a large schema only what a configuration mentions is ever read.
#
# Kinds: bool, integer { minimum, maximum }, number, string { pattern, meant }, enum { values, meanings }, list { of },
# map { of, names }, object { fields, required }, choice { fields } (an object with exactly one field), union { of }, any.
schema:
let
  inherit (builtins)
    concatMap
    elem
    filter
    foldl'
    head
    isList
    length
    listToAttrs
    mapAttrs
    isString
    match
    removeAttrs
    replaceStrings
    split
    ;

  definition =
    reference:
    let
      name = match "#/[$]defs/(.*)" reference;
    in
    if name == null then
      throw "sandboxed: the schema refers to ${reference}, outside of its own definitions"
    else
      schema."$defs".${head name};

  # What stands beside a reference (a field's own description, its default) wins over what it refers to.
  follow =
    node: if node ? "$ref" then follow (definition node."$ref") // removeAttrs node [ "$ref" ] else node;

  # What a reference finally means, without what stands beside it: a string's own description, say.
  origin = node: if node ? "$ref" then origin (definition node."$ref") else node;

  # Nix matches by POSIX extended expressions, JSON Schema by ECMA-262's. Lookaheads, which only narrow, are left out
  # here: what slips through is refused by the binary at build time, which has the whole expression.
  posix =
    pattern:
    let
      kept = builtins.concatStringsSep "" (
        filter isString (split "[(][?][=!]([^()]|[(][^()]*[)])*[)]" pattern)
      );
      expression = replaceStrings [ "\\u0000-\\u001f\\u007f" "\\]" ] [ "[:cntrl:]" "[]]" ] kept;
      open = if match "\\^.*" expression == null then ".*" else "";
      close = if match ".*[$]" expression == null then ".*" else "";
    in
    "${open}${expression}${close}";

  read =
    node:
    let
      here = follow node;
    in
    {
      description = here.description or null;
      nullable = false;
    }
    // (if here ? default then { inherit (here) default; } else { })
    // (if here ? examples then { inherit (here) examples; } else { })
    // shape (
      if node ? "$ref" then here // { meant = (origin node).description or null; } else here
    );

  shape =
    node:
    if node ? enum then
      enum (map (value: { inherit value; }) node.enum)
    else if node ? const then
      enum [
        {
          value = node.const;
          meaning = node.description or null;
        }
      ]
    else if node ? oneOf then
      union (map alternative node.oneOf)
    else if node ? anyOf then
      union (map alternative node.anyOf)
    else if isList (node.type or null) then
      union (map (type: alternative (node // { inherit type; })) node.type)
    else
      (ofType.${node.type or "any"} or (throw "sandboxed: the schema has a type ${node.type}, which no option has")) node;

  # An alternative is described by the value that it is one of, except where it is one word of several.
  alternative = node: shape (follow node);

  ofType = {
    any = _: { kind = "any"; };
    null = _: { kind = "null"; };
    boolean = _: { kind = "bool"; };
    number = _: { kind = "number"; };
    integer = node: {
      kind = "integer";
      minimum = node.minimum or null;
      maximum = node.maximum or null;
    };
    string = node: {
      kind = "string";
      pattern = if node ? pattern then posix node.pattern else null;
      meant = node.meant or node.description or null;
    };
    array = node: {
      kind = "list";
      of = read (node.items or { });
    };
    object =
      node:
      if node ? properties then
        {
          kind = "object";
          fields = mapAttrs (_: read) node.properties;
          required = node.required or [ ];
        }
      else
        let
          named = node.patternProperties or { };
          patterns = builtins.attrNames named;
          any = node.additionalProperties or true;
        in
        {
          kind = "map";
          names = if patterns == [ ] then null else posix (head patterns);
          of = read (
            if patterns != [ ] then
              named.${head patterns}
            else if any == true then
              { }
            else
              any
          );
        };
  };

  enum = members: {
    kind = "enum";
    values = map (member: member.value) members;
    meanings = listToAttrs (
      concatMap (
        member:
        if member.meaning or null == null then
          [ ]
        else
          [
            {
              name = toString member.value;
              value = member.meaning;
            }
          ]
      ) members
    );
  };

  # `null` beside one other alternative is an optional value; words become one enum; objects of one required field each
  # (an enum of Rust whose variants hold data) become one object with exactly one field.
  union =
    alternatives:
    let
      ofKind = kind: filter (a: a.kind == kind) alternatives;
      words = ofKind "enum";
      objects = ofKind "object";
      others = filter (a: !elem a.kind [ "enum" "object" "null" ]) alternatives;
      tagged = builtins.all (a: length a.required == 1) objects;
      merged =
        (
          if words == [ ] then
            [ ]
          else
            [
              {
                kind = "enum";
                values = concatMap (a: a.values) words;
                meanings = foldl' (all: a: all // a.meanings) { } words;
              }
            ]
        )
        ++ (
          if length objects < 2 then
            objects
          else if tagged then
            [
              {
                kind = "choice";
                fields = foldl' (all: a: all // a.fields) { } objects;
              }
            ]
          else
            throw "sandboxed: the schema offers several objects that nothing tells apart"
        )
        ++ others;
    in
    (
      if length merged == 1 then
        head merged
      else
        {
          kind = "union";
          of = merged;
        }
    )
    // (if ofKind "null" == [ ] then { } else { nullable = true; });
in
read (removeAttrs schema [ "$defs" ])
