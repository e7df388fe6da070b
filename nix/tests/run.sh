#!/usr/bin/env bash
# Tests of the Nix side without NixOS' binary cache. What the machine lacks is skipped by name and with the reason:
# the schema reader needs nix alone; the rest <nixpkgs/nixos> and its library, beside which stub packages stand in for
# all others; building needs the programs (`cargo build`). Prints as cargo's tests do, so that `cargo xtask test` counts it.
#
#     nix/tests/run.sh [--quick] [DIRECTORY OF THE BUILT PROGRAMS]
set -euo pipefail
tests=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$tests/../.." && pwd)
local=$tests/local
quick=
if [ "${1-}" = --quick ]; then
  quick=1
  shift
fi
programs=${1-$root/target/debug}
failed=0

skip() { echo "skipped nix::$1: $2"; }
pass() { echo "test nix::$1 ... ok"; }
# The name, and what was seen instead.
fail() {
  printf '%s\n' "$2"
  echo "test nix::$1 ... FAILED"
  failed=1
}
# None of this may wait for a network, nor import from a derivation.
evaluate() { nix-instantiate --eval --strict --option allow-import-from-derivation false "$@"; }
# A file that evaluates to the names of what does not hold, or an attribute of it that does.
holds() {
  local result
  if result=$(evaluate "$local/$1.nix" ${2:+--attr "$2"} 2>&1) && [ "$result" = "[ ]" ]; then pass "$1"; else fail "$1" "$result"; fi
}

if ! command -v nix-instantiate > /dev/null; then
  skip all "no nix on this machine"
  exit 0
fi
# A distribution's nix may come without the users that builds run as, and then builds nothing as root, nor is it silent.
if ! getent group nixbld > /dev/null; then
  export NIX_CONFIG="build-users-group =${NIX_CONFIG:+
$NIX_CONFIG}"
fi

broken=$(find "$root/nix" "$root/examples" "$root/flake.nix" -name '*.nix' -exec nix-instantiate --parse {} + 2>&1 > /dev/null || true)
if [ -z "$broken" ]; then pass parse; else fail parse "$broken"; fi
holds schema

if ! nix-instantiate --find-file nixpkgs/nixos > /dev/null 2>&1; then
  skip evaluation "<nixpkgs/nixos> does not resolve (see NIX_PATH)"
  exit $failed
fi
holds evaluation
holds machines holds
holds flake holds
if said=$(evaluate --json "$local/machines.nix" --attr scripts | python3 "$local/scripts.py" "$(nix-instantiate --find-file nixpkgs/nixos)" 2>&1); then
  pass scripts
else
  fail scripts "$said"
fi

while read -r name; do
  if said=$(evaluate -E "import $local/mistake.nix \"$name\"" 2>&1); then
    fail "mistake::$name" "it evaluates"
    continue
  fi
  missing=
  while read -r words; do grep -qF -- "$words" <<< "$said" || missing=$words; done < <(
    evaluate --json -E "(import $local/mistakes.nix).$name.says" | jq -r '.[]'
  )
  if [ -z "$missing" ]; then pass "mistake::$name"; else fail "mistake::$name" "$said"$'\n'"does not say: $missing"; fi
done < <(evaluate --json -E "builtins.attrNames (import $local/mistakes.nix)" | jq -r '.[]')

if [ -n "$quick" ]; then
  skip build "--quick"
elif [ ! -x "$programs/sandboxed" ]; then
  skip build "there is no $programs/sandboxed"
else
  # shellcheck source=local/build.sh
  . "$local/build.sh"
fi
exit $failed
