# Packages of a Nix store out of the programs of a Debian tree: what runs inside of a sandbox sees its closure and nothing
# of the tree, so each program brings its libraries and their loader along, as on NixOS. Programs that run outside are links.
{
  # The directories that make the tree, the uppermost first.
  layers,
  # Where this project's programs are.
  programs,
}:
{ builders, ... }:
let
  inherit (builders) runCommand;

  functions = ''
    layers=(${toString layers})
    # A file of the tree, from whichever layer holds it.
    of_tree() {
      local layer
      for layer in "''${layers[@]}"; do
        if [ -e "$layer$1" ]; then echo "$layer$1"; return; fi
      done
      echo "the tree has no $1" >&2
      return 1
    }
    system_libraries=$(of_tree /usr/lib/x86_64-linux-gnu/libc.so.6)
    system_libraries=''${system_libraries%/*}
    loader=$system_libraries/ld-linux-x86-64.so.2
    patch_elf() { "$loader" --library-path "$system_libraries" "$(of_tree /usr/bin/patchelf)" "$@"; }

    # The libraries that these files need of the tree, with those that they need.
    bring_libraries() {
      local file library
      mkdir -p $out/lib/tree
      for file; do
        "$loader" --library-path "$system_libraries" --list "$file" 2>/dev/null || true
      done | grep -oE "$system_libraries/[^ ]+" | sort -u | while read -r library; do
        if [ ! -e "$out/lib/tree/''${library##*/}" ]; then cp -L "$library" $out/lib/tree/; fi
      done
      cp -L --update "$loader" $out/lib/tree/
    }
    # A program of the tree in $out/bin. Its search path is one that the libraries it opens inherit.
    bring_program() { bring "$(of_tree "$1")"; }
    bring() {
      local name=''${1##*/}
      mkdir -p $out/bin
      cp -L "$1" "$out/bin/$name"
      chmod u+w "$out/bin/$name"
      bring_libraries "$out/bin/$name"
      # In this order: patchelf 0.18 breaks a program at a fixed address that is given both at once, or the other way round.
      patch_elf --force-rpath --set-rpath $out/lib/tree "$out/bin/$name"
      patch_elf --set-interpreter $out/lib/tree/ld-linux-x86-64.so.2 "$out/bin/$name"
    }
  '';
  package = name: attributes: command: runCommand name attributes (functions + command);

  programsOf =
    name: paths: package name { } ''
      for program in ${toString paths}; do bring_program $program; done
    '';
  # What nothing runs inside of a sandbox.
  links =
    name: paths: runCommand name { } ''
      mkdir -p $out/bin
      for program in ${toString paths}; do ln -s $program $out/bin/; done
      ln -s bin $out/sbin
    '';

  pythonCommand = ''
    # Nix dates every file to 1970, by which Python would hold what the tree compiled to be out of date.
    compile() { $out/bin/python3.13 -m compileall -q -f --invalidation-mode unchecked-hash "$1" || true; }
    bring_program /usr/bin/python3.13
    ln -s python3.13 $out/bin/python3
    cp -r "$(of_tree /usr/lib/python3.13)" $out/lib/python3.13
    chmod -R u+w $out/lib/python3.13
    rm -rf $out/lib/python3.13/{test,idlelib,tkinter,ensurepip,sitecustomize.py,EXTERNALLY-MANAGED}
    bring_libraries $out/lib/python3.13/lib-dynload/*.so
  '';
  python = package "python3-3.13" { } (pythonCommand + "compile $out/lib/python3.13");
  inside = package "sandboxed-inside" { } ''
    for program in sandboxed-launch sandboxed-probe; do bring ${programs}/$program; done
  '';
  nginx =
    runCommand "nginx" { } ''
      mkdir -p $out/bin
      ln -s /usr/sbin/nginx $out/bin/
      ln -s /etc/nginx $out/conf
    ''
    // { modules = [ ]; override = _: nginx; };
in
{
  bash = programsOf "bash" [ "/usr/bin/bash" ] // { shellPath = "/bin/bash"; };
  coreutils = package "coreutils" { } ''
    for program in $(grep -E '^(/usr)?/bin/' "$(of_tree /var/lib/dpkg/info/coreutils.list)"); do bring_program "/usr/''${program#/usr/}"; done
  '';
  curl = programsOf "curl" [ "/usr/bin/curl" ];
  util-linux = programsOf "util-linux" [ "/usr/bin/kill" ];
  python3 = python // {
    withPackages = _: python;
    interpreter = "${python}/bin/python3";
    pkgs.systemd = null;
  };
  # The homeserver from PyPI.
  matrix-synapse = package "matrix-synapse" { version = "1.163.2"; } ''
    ${pythonCommand}
    mkdir -p $out/lib/python3.13/site-packages
    cp -r "$(of_tree /opt/venvs/matrix-synapse/lib/python3.13/site-packages)"/. $out/lib/python3.13/site-packages/
    # NixOS' configuration of Synapse logs by it.
    cp -r "$(of_tree /usr/lib/python3/dist-packages/systemd)" $out/lib/python3.13/site-packages/
    find $out/lib/python3.13/site-packages -name '*.so' > extensions
    bring_libraries $(cat extensions)
    for program in homeserver:synapse_homeserver generic_worker:synapse_worker; do
      printf '%s\n' "#!$out/bin/python3.13" "import sys" "sys.path.append('$out/lib/python3.13/site-packages')" \
        "from synapse.app.''${program%:*} import main" "main()" > $out/bin/''${program#*:}
    done
    printf '%s\n' "#!$out/bin/python3.13" "import sys" "sys.path.append('$out/lib/python3.13/site-packages')" \
      "from synapse._scripts.register_new_matrix_user import main" "main()" > $out/bin/register_new_matrix_user
    chmod +x $out/bin/*
    compile $out/lib/python3.13
  '';

  iproute2 = links "iproute2" [ "/usr/sbin/ip" ];
  iptables = links "iptables" (map (name: "/usr/sbin/${name}") [ "iptables" "ip6tables" "iptables-restore" "ip6tables-restore" "iptables-save" "ip6tables-save" ]);
  kmod = links "kmod" [ "/usr/sbin/modprobe" ];
  nftables = links "nftables" [ "/usr/sbin/nft" ];
  gnused = links "gnused" [ "/usr/bin/sed" ];
  gnugrep = links "gnugrep" [ "/usr/bin/grep" ];
  nginxStable = nginx;
  mailcap = package "mailcap" { } ''
    mkdir -p $out/etc/nginx
    cp "$(of_tree /etc/nginx/mime.types)" $out/etc/nginx/
  '';

  # As nix/package.nix lays it out. A debug build is not static.
  sandboxed = runCommand "sandboxed" { passthru = { inherit inside; }; } ''
    mkdir -p $out/bin
    cp ${programs}/sandboxed $out/bin/
    ln -s ${inside}/bin/* $out/bin/
  '';
}
