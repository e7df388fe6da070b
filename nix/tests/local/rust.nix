# nixpkgs' builder of Rust packages, with the machine's own build in place of cargo: what a package does around it, its
# install phase above all, is as in nixpkgs.
{
  # Where the built programs are.
  programs,
}:
{ builders, ... }:
{
  rustPlatform.buildRustPackage =
    attributes:
    builders.mkDerivation (
      builtins.removeAttrs attributes [ "cargoLock" ]
      // {
        buildCommand = ''
          # What installShellFiles brings.
          installManPage() {
            local page
            for page; do install -Dm644 "$page" "$out/share/man/man''${page##*.}/''${page##*/}"; done
          }
          installShellCompletion() {
            local command
            while [ $# != 0 ]; do
              case $1 in
                --cmd) command=$2 ;;
                --bash) install -Dm644 "$2" "$out/share/bash-completion/completions/$command" ;;
                --fish) install -Dm644 "$2" "$out/share/fish/vendor_completions.d/$command.fish" ;;
                --zsh) install -Dm644 "$2" "$out/share/zsh/site-functions/_$command" ;;
                *) echo "installShellCompletion has no $1" >&2; return 1 ;;
              esac
              shift 2
            done
          }
          for required in Cargo.toml Cargo.lock crates presets schema; do test -e "$src/$required"; done
          mkdir -p $out/bin
          for flag in $cargoBuildFlags; do
            if [ "$flag" != -p ]; then cp "${programs}/$flag" $out/bin/; fi
          done
          eval "$postInstall"
        '';
      }
    );
}
