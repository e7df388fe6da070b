# Packages that the modules ask for more than a path: versions, functions, file trees.
{ lib, pkgs, builders }:
let
  inherit (builders) mkDerivation runCommand stub writeText;

  # The formats that nixpkgs keeps outside of its library. JSON is YAML; the others only need to be one text.
  value =
    with lib.types;
    nullOr (oneOf [ bool int float str path (attrsOf value) (listOf value) ]) // { description = "value"; };
  format = {
    type = value;
    generate = file: value: writeText file (builtins.toJSON value);
  };

  kernel = stub "linux" // {
    version = "6.12.17";
    modDirVersion = "6.12.17";
    baseVersion = "6.12.17";
    kernelOlder = lib.versionOlder "6.12.17";
    kernelAtLeast = v: !lib.versionOlder "6.12.17" v;
    config = { isYes = _: true; isNo = _: false; isEnabled = _: true; isSet = _: true; isModule = _: true; isDisabled = _: false; };
    features = { };
    target = "bzImage";
    stdenv = pkgs.stdenv;
    kernelPatches = [ ];
    override = _: kernel;
  };
  kernelPackages = {
    inherit kernel;
    extend = _: kernelPackages;
    stdenv = pkgs.stdenv;
  };
in
{
  formats = lib.genAttrs [ "yaml" "json" "toml" "ini" "keyValue" "hocon" "elixirConf" "gitIni" "systemd" "javaProperties" "libconfig" "php" "pythonVars" "xml" "iniWithGlobalSection" ] (_: _: format);

  linux = kernel;
  linuxPackages = kernelPackages;
  linuxPackages_latest = kernelPackages;
  linuxKernel = { packages = { }; kernels = { }; };
  aggregateModules = modules: stub "modules" // { version = kernel.version; };
  makeModulesClosure = _: stub "modules-closure";
  makeInitrdNG = _: stub "initrd";
  makeInitrd = _: stub "initrd";

  # Holds every unit that NixOS' module list takes from systemd's package, found by reading the list.
  systemd = runCommand "systemd-257.3" { passthru = { }; } ''
    for type in system user; do
      mkdir -p $out/example/systemd/$type
      grep -rhoE '"[A-Za-z0-9@_.\\-]+\.(service|socket|target|path|timer|slice|mount|automount|scope|wants)"' ${<nixpkgs/nixos/modules/system>} ${<nixpkgs/nixos/modules/services>} |
        tr -d '"' | sed 's/\\\\/\\/g' | sort -u | while read -r unit; do
          case $unit in
            *.wants) mkdir -p "$out/example/systemd/$type/$unit" && ln -sf ../local-fs.target "$out/example/systemd/$type/$unit/" ;;
            *) printf '[Unit]\nDescription=%s\n' "$unit" > "$out/example/systemd/$type/$unit" ;;
          esac
        done
    done
    mkdir -p $out/bin $out/lib/systemd
    ln -s /usr/lib/systemd/systemd-socket-proxyd $out/lib/systemd/
  ''
  // {
    version = "257.3";
    interfaceVersion = 2;
    kbd = stub "kbd";
    util-linux = stub "util-linux";
  }
  // lib.genAttrs [
    "withBootloader" "withCryptsetup" "withEfi" "withHomed" "withHostnamed" "withImportd" "withLogind" "withMachined" "withNetworkd"
    "withPortabled" "withRepart" "withSysupdate" "withTimedated" "withTimesyncd" "withTpm2Tss" "withTpm2Units" "withUkify" "withUtmp" "withLocaled" "withCoredump" "withTimesyncd" "withResolved" "withOomd"
  ] (_: false);

  matrix-synapse-unwrapped = stub "matrix-synapse" // {
    optional-dependencies = lib.genAttrs [ "postgres" "url-preview" "user-search" "systemd" "cache-memory" "oidc" "jwt" "redis" "saml2" "sentry" "all" ] (_: [ ]);
  };
  xorg = lib.genAttrs [ "lndir" "xorgserver" "xauth" "setxkbmap" "xkeyboardconfig" "fontutil" "xwininfo" ] (name: stub name) // { lndir = builders.writeShellScriptBin "lndir" ''cp -rsfT --no-preserve=mode "$1" "$2"''; };
  lib.meta = lib.meta;
  postgresql_15 = builders.versioned "postgresql" "15.12" // { psqlSchema = "15"; jitSupport = false; withPackages = _: pkgs.postgresql_15; withoutJIT = pkgs.postgresql_15; };
  nginxStable = stub "nginx" // { modules = [ ]; override = _: pkgs.nginxStable; };
  qemu_test = stub "qemu" // { ga = stub "qemu-ga"; };
  nixosTests = { };
  tests = { };
  unixtools = lib.genAttrs [ "xxd" "ping" "netstat" ] stub;
  glibcLocales = stub "glibc-locales";
  nix = builders.versioned "nix" "2.24.12";
  python3 = stub "python3" // { withPackages = _: stub "python3"; pkgs = lib.genAttrs [ "systemd" ] stub; interpreter = "${stub "python3"}/bin/python3"; };
  perl = stub "perl" // { withPackages = _: stub "perl"; };
  bash = mkDerivation { pname = "bash"; version = "5.2"; buildCommand = "mkdir -p $out/bin; ln -s /bin/bash $out/bin/bash; ln -s bash $out/bin/sh"; } // { shellPath = "/bin/bash"; };
  bashInteractive = pkgs.bash;
}
