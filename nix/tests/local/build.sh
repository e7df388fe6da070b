# Part of run.sh: builds the units of whole hosts with the programs in $programs, and looks at what came of it.
# shellcheck shell=bash disable=SC2154

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The units of local/hosts.nix' host $1, at $scratch/$1; what the build said is at $scratch/$1.log.
build() {
  nix-build "$local/hosts.nix" -A "$1.units" --argstr programs "$programs" --out-link "$scratch/$1" \
    --option substitute false --option sandbox false --option allow-import-from-derivation false \
    > "$scratch/$1.log" 2>&1
}
expect() {
  local name=$1
  shift
  if "$@"; then pass "build::$name"; else fail "build::$name" "$(tail -n 30 "$scratch"/*.log)"; fi
}
has() { grep -qE -- "$2" "$scratch/$1"; }
lacks() { ! grep -qE -- "$2" "$scratch/$1"; }
quietly() { "$@" > /dev/null 2>&1; }

if build one; then
  drop_in=one/matrix-synapse.service.d/zz-sandboxed.conf
  expect drop-in-beside-the-unit test -e "$scratch/$drop_in" -a -e "$scratch/one/matrix-synapse.service"
  last=$(ls "$scratch/one/matrix-synapse.service.d" | sort | tail -n 1)
  expect drop-in-is-read-last test "$last" = zz-sandboxed.conf
  expect slice test -e "$scratch/one/sandboxed-synapse.slice"
  expect filter-helper test -e "$scratch/one/sandboxed-synapse-filter.service"
  expect service-needs-its-filter has $drop_in '^Requires=.*sandboxed-synapse-filter.service'
  expect programs-are-in-the-store has one/sandboxed-synapse-filter.service '^ExecStart=/nix/store/[^ ]*/bin/(nft|sandboxed) '
  expect store-is-not-bound-as-a-whole lacks $drop_in '^Bind(ReadOnly)?Paths=(.* )?/nix/store( |:|$)'
  expect no-path-of-the-distribution lacks $drop_in '^[A-Za-z]*=(.* )?-?/(usr|lib|bin)( |/|$)'

  # The closures of the unit's own derivation and of the launcher, which Nix knows without us, against what is shown.
  launcher=$(grep -oE '/nix/store/[^/]+-sandboxed' "$scratch/$drop_in" | sort -u)
  unit=$(readlink -f "$scratch/one/matrix-synapse.service")
  nix-store --query --requisites "${unit%/matrix-synapse.service}" $launcher | sort -u > "$scratch/closure"
  grep -oE '/nix/store/[a-z0-9]{32}-[^ :/]+' "$scratch/$drop_in" | sort -u > "$scratch/visible"
  expect exactly-the-closure-is-visible diff "$scratch/closure" "$scratch/visible"

  # The same derivation whatever has been built: nothing of the build leaks into it.
  sandboxes=$(dirname "$(dirname "$(dirname "$(dirname "$(readlink -f "$scratch/one/sandboxed-synapse.slice")")")")")
  expect reproducible quietly nix-store --realise --check "$sandboxes" --option substitute false --option sandbox false
else
  fail build::one "$(tail -n 40 "$scratch/one.log")"
fi

if build workers; then
  for unit in matrix-synapse matrix-synapse-worker-media; do
    expect "worker::$unit" has "workers/$unit.service.d/zz-sandboxed.conf" '^Slice=sandboxed-synapse.slice'
  done
else
  fail build::workers "$(tail -n 40 "$scratch/workers.log")"
fi

if build private; then
  expect network-helper has private/sandboxed-synapse-network.service '^ExecStart=/nix/store/[^ ]*/bin/sandboxed network up --ip /nix/store/[^ ]*/bin/ip '
  expect network-restarts-its-service has private/matrix-synapse.service.d/zz-sandboxed.conf '^X-Restart-Triggers='
  expect port-is-handed-through has private/sandboxed-synapse-listen-8008.service '^ExecStart=/nix/store/[^ ]*/systemd-socket-proxyd '
else
  fail build::private "$(tail -n 40 "$scratch/private.log")"
fi

if build packaged; then
  expect unit-of-a-package test -e "$scratch/packaged/packaged.service.d/zz-sandboxed.conf"
else
  fail build::packaged "$(tail -n 40 "$scratch/packaged.log")"
fi

# A policy that the binary refuses never becomes a system, and the log says why.
if build refused; then fail build::refused "it builds"; else
  expect refused-says-why has refused.log 'executable because of this'
fi
if build missing; then fail build::missing "it builds"; else
  expect missing-says-why has missing.log 'ships no unit packaged.service'
fi

if build early; then
  expect hook-of-a-package-is-confined has early/matrix-synapse.service.d/zz-sandboxed.conf '^ExecStartPre=/nix/store/[^ ]*sandboxed-launch .*/nix/store/hook --as-root'
  expect directory-of-a-package-is-known has early/matrix-synapse.service.d/zz-sandboxed.conf '^NoExecPaths=.*/var/cache/matrix-media'
else
  fail build::early "$(tail -n 40 "$scratch/early.log")"
fi

# What of the host's other units would undo a sandbox, and what is said then.
refused() {
  if build "$1"; then fail "build::$1" "it builds"; else expect "$1-says-why" has "$1.log" "$2"; fi
}
refused late 'matrix-synapse.service.d/zzz-late.conf sets PrivateUsers= after the sandbox'
refused late-of-all '/service.d/zzz-late.conf sets PrivateUsers= after the sandbox'
refused late-of-an-alias 'homeserver.service.d/zzz-late.conf sets PrivateUsers= after the sandbox'
refused same-name 'would meet the sandbox.s own matrix-synapse.service.d/zz-sandboxed.conf'
refused socket 'elsewhere.socket hands it sockets that were made outside of the sandbox'
refused helper 'defines sandboxed-synapse-filter.service, which is a unit of the sandboxes. own'
refused slice 'defines sandboxed-synapse.slice, which is a unit of the sandboxes. own'
refused helper-alias 'defines sandboxed-synapse-filter.service, which is a unit of the sandboxes. own'
refused helper-packaged 'sandboxed-.slice.d/limits.conf changes sandboxed-synapse.slice'
refused kept-running 'X-RestartIfChanged=false'
refused only-reloaded 'X-ReloadIfChanged=true'
refused unmanaged 'RefuseManualStop=true'
refused taken-over 'matrix-synapse.service is another name of other.service'

# The package's install phase, and the check of the flake that a refused policy fails the build of a system.
artifact() {
  nix-build "$local/flake.nix" --attr "$1" --argstr programs "$programs" --out-link "$scratch/$1" \
    --option substitute false --option sandbox false > "$scratch/$1.log" 2>&1
}
if artifact package; then
  for file in bin/sandboxed bin/sandboxed-launch bin/sandboxed-probe share/man/man1/sandboxed.1 share/man/man1/sandboxed-apply.1 \
    share/bash-completion/completions/sandboxed share/fish/vendor_completions.d/sandboxed.fish share/zsh/site-functions/_sandboxed; do
    expect "package::$file" test -s "$scratch/package/$file"
  done
else
  fail build::package "$(tail -n 40 "$scratch/package.log")"
fi
expect refused-policy artifact refused
