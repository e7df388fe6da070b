# A configuration as a system of the testbed, which is a Debian: what it has besides what every machine of a test has,
# laid out as NixOS' toplevel is, with NixOS' own switch-to-configuration.
{
  lib,
  pkgs,
  # The machine that all tests begin with; only what a configuration adds to it is taken.
  base,
}:
configuration:
let
  added = field: lib.subtractLists (lib.attrNames (field base)) (lib.attrNames (field configuration));

  # Units that the switch itself asks for, and those that put a sandbox's directories into place.
  always = [ "sysinit-reactivation.target" "systemd-tmpfiles-resetup.service" ];
  units = always ++ added (c: c.systemd.units);
  files = lib.filter (name: name != "systemd/system") (added (c: c.environment.etc));
  programs = lib.filter (package: !lib.elem "${package}" (map toString base.environment.systemPackages)) configuration.environment.systemPackages;

  accounts =
    map (name: "g ${name} -") (added (c: c.users.groups))
    ++ map (
      name:
      let
        user = configuration.users.users.${name};
      in
      "u ${name} -:${user.group} - ${user.home}"
    ) (added (c: c.users.users));
  rules = lib.subtractLists base.systemd.tmpfiles.rules configuration.systemd.tmpfiles.rules;
in
pkgs.runCommand "toplevel"
  {
    inherit units files;
    sources = map (name: "${configuration.environment.etc.${name}.source}") files;
    programs = map toString programs;
    accounts = lib.concatStringsSep "\n" accounts;
    rules = lib.concatStringsSep "\n" rules;
    # Its source names the files in a directory.
    shipped = configuration.environment.etc."tmpfiles.d".source;
    passAsFile = [ "accounts" "rules" ];
    specialisations = lib.attrNames configuration.specialisation;
    systems = map (special: import ./toplevel.nix { inherit lib pkgs base; } special.configuration) (
      lib.attrValues configuration.specialisation
    );
    all = configuration.environment.etc."systemd/system".source;
    switch = <nixpkgs/nixos/modules/system/activation/switch-to-configuration.pl>;
  }
  ''
    mkdir -p $out/{bin,etc/systemd/system,sw/bin,specialisation}
    echo 1 > $out/init-interface-version

    # Everything of these units: the unit, what is laid over it, and who wants it.
    for unit in $units $(cd $all; echo sandboxed*.{service,slice,socket}); do
      for entry in "$all/$unit" "$all/$unit.d"; do
        if [ -e "$entry" ]; then cp -a "$entry" $out/etc/systemd/system/; fi
      done
      for wish in "$all"/*.{wants,requires}/"$unit"; do
        directory=$(basename "$(dirname "$wish")")
        mkdir -p "$out/etc/systemd/system/$directory"
        ln -s "../$unit" "$out/etc/systemd/system/$directory/"
      done
    done
    # The target that the switch starts anew, for what it stopped and for what is new: the tree's own.
    ln -s /usr/lib/systemd/system/multi-user.target $out/etc/systemd/system/
    paste -d ' ' <(printf '%s\n' $files) <(printf '%s\n' $sources) | while read -r file source; do
      mkdir -p "$out/etc/$(dirname "$file")"
      ln -s "$source" "$out/etc/$file"
    done
    mkdir $out/etc/tmpfiles.d
    cp "$rulesPath" $out/etc/tmpfiles.d/00-nixos.conf
    ln -s ''${shipped%/*}/sandboxed-* $out/etc/tmpfiles.d/
    cp "$accountsPath" $out/accounts
    for package in $programs; do ln -sf "$package"/bin/* $out/sw/bin/; done
    ln -s /usr/bin/{systemctl,busctl,systemd-escape} $out/sw/bin/
    paste -d ' ' <(printf '%s\n' $specialisations) <(printf '%s\n' $systems) | while read -r name system; do
      if [ -n "$name" ]; then ln -s "$system" "$out/specialisation/$name"; fi
    done

    # The tree's own programs are where NixOS has packages of them.
    sed -e "s|@out@|$out|; s|@toplevel@|$out|; s|@perl@|/usr|; s|@systemd@|/usr|; s|@coreutils@|/usr|; s|@utillinux@|/usr|; s|@localeArchive@||" \
      -e 's|@distroId@|nixos|; s|@su@|/bin/su|; s|@shell@|/bin/sh|; s|@installBootLoader@|true|' "$switch" > $out/bin/switch-to-configuration
    # What NixOS' own activation does of these: accounts, /etc, the current system.
    cat > $out/activate <<EOF
    #!/bin/bash -eu
    systemd-sysusers $out/accounts
    rm -rf /etc/systemd/system /etc/tmpfiles.d
    ln -s $out/etc/systemd/system /etc/systemd/system
    ln -s $out/etc/tmpfiles.d /etc/tmpfiles.d
    for file in $files; do
      mkdir -p "/etc/\$(dirname "\$file")"
      ln -sfn "$out/etc/\$file" "/etc/\$file"
    done
    ln -sfn $out /run/current-system
    EOF
    sed -i 's/^ *//' $out/activate
    chmod +x $out/activate $out/bin/switch-to-configuration
  ''
