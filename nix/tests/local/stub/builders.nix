# nixpkgs' trivial builders, on the machine's own shell and coreutils.
{
  lib,
  system,
  pkgs,
}:
let
  setup = builtins.toFile "setup.sh" ''
    shopt -s nullglob
    export PATH=/usr/bin:/bin:/usr/sbin:/sbin
    if [ -e .attrs.sh ]; then . .attrs.sh; export out=''${outputs[out]}; export NIX_ATTRS_JSON_FILE=$PWD/.attrs.json; fi
    for input in ''${nativeBuildInputs[@]}; do PATH=$input/bin:$PATH; done
    if [ -n "$buildCommandPath" ]; then . "$buildCommandPath"; else eval "$buildCommand"; fi
  '';

  # A derivation with what nixpkgs' carry besides: overrides, outputs by name, version, meta.
  mkDerivation =
    arguments:
    let
      attrs = if builtins.isFunction arguments then lib.fix arguments else arguments;
      name = lib.strings.sanitizeDerivationName (attrs.name or "${attrs.pname}-${attrs.version or "0"}");
      structured = attrs.__structuredAttrs or false;
      drv = derivation (
        {
          inherit name system;
          builder = "/bin/bash";
          args = [ "-e" setup ];
          buildCommand = "mkdir -p $out";
        }
        // lib.optionalAttrs (!structured) {
          passAsFile = [ "buildCommand" ] ++ attrs.passAsFile or [ ];
        }
        // removeAttrs attrs [ "meta" "passthru" "passAsFile" "pname" "version" "name" ]
      );
    in
    drv
    // {
      meta = {
        mainProgram = attrs.pname or name;
      }
      // attrs.meta or { };
      version = attrs.version or "1";
      pname = attrs.pname or name;
      outputName = "out";
      override = _: mkDerivation attrs;
      overrideAttrs =
        f: mkDerivation (attrs // (if builtins.isFunction f then (if builtins.isFunction (f attrs) then f attrs attrs else f attrs) else f));
    }
    // lib.genAttrs [ "out" "su" "bin" "dev" "lib" "man" "doc" "info" "data" ] (_: drv // { meta = { }; version = attrs.version or "1"; })
    // attrs.passthru or { };

  runCommand =
    name: env: command:
    mkDerivation ({ inherit name; buildCommand = command; } // env);

  writeTextFile =
    { name, text, executable ? false, destination ? "", checkPhase ? "", meta ? { }, ... }@args:
    runCommand name
      {
        inherit text meta executable;
        passAsFile = [ "text" ];
      }
      ''
        target=$out${lib.escapeShellArg destination}
        mkdir -p "$(dirname "$target")"
        cp "$textPath" "$target"
        ${lib.optionalString executable ''chmod +x "$target"''}
      '';
in
rec {
  inherit mkDerivation runCommand writeTextFile;
  runCommandLocal = runCommand;
  runCommandNoCC = runCommand;
  # There is no compiler among the tools.
  runCommandCC = name: _: _: stub name;
  runCommandWith = { name, derivationArgs ? { }, ... }: runCommand name derivationArgs;
  runtimeShell = "${pkgs.bash}/bin/bash";

  # An empty package: a store path by that name; where nixpkgs has a function of that name, calling it gives such a path too.
  stub = name: versioned name "1";
  versioned =
    name: version:
    mkDerivation {
      pname = name;
      inherit version;
      buildCommand = "mkdir -p $out/bin $out/lib $out/share";
    }
    // {
      __functor = _: _: stub name;
    };

  writeText = name: text: writeTextFile { inherit name text; };
  writeTextDir = path: text: writeTextFile { name = baseNameOf path; inherit text; destination = "/${path}"; };
  writeScript = name: text: writeTextFile { inherit name text; executable = true; };
  writeScriptBin = name: text: writeTextFile { inherit name text; executable = true; destination = "/bin/${name}"; };
  writeShellScript = name: text: writeScript name "#!${runtimeShell}\n${text}";
  writeShellScriptBin = name: text: writeScriptBin name "#!${runtimeShell}\n${text}";
  writeShellApplication = { name, text, ... }: writeShellScriptBin name text;
  writers = { inherit writeText; writeNginxConfig = writeText; writeBash = writeShellScript; writeDash = writeShellScript; writePython3 = name: _: writeScript name; };
  concatTextFile = { name, files, ... }: runCommand name { } "cat ${toString files} > $out";
  concatText = name: files: concatTextFile { inherit name files; };

  symlinkJoin = { name, paths, ... }: buildEnv { inherit name paths; };
  buildEnv = { name, paths ? [ ], ... }: runCommand name { } ''
    mkdir -p $out
    for path in ${lib.concatMapStringsSep " " (p: "${p}") paths}; do
      if [ -d "$path" ]; then cp -rsf --no-preserve=mode "$path"/. $out/; fi
    done
  '';
  linkFarm = name: entries: runCommand name { } "mkdir -p $out";

  closureInfo = { rootPaths }: runCommand "closure-info" { } "mkdir -p $out; echo ${toString rootPaths} > $out/store-paths";
  substituteAll = args: runCommand (args.name or (baseNameOf (toString args.src))) { } "cp ${args.src} $out";
  replaceVars = src: _: runCommand (baseNameOf (toString src)) { } "cp ${src} $out";
  replaceVarsWith = { src, ... }: replaceVars src { };
  makeSetupHook = args: _: stub (args.name or "hook");
  makeDesktopItem = args: stub (args.name or "item");
  fetchurl = args: stub "source";
  fetchFromGitHub = args: stub "source";
  fetchzip = args: stub "source";
  fetchpatch = args: stub "patch";
  ensureNewerSourcesForZipFilesHook = stub "hook";
}
