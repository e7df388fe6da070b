# What working on the project takes.
{
  mkShell,
  sandboxed,
  cargo,
  clippy,
  debootstrap,
  iptables,
  jq,
  nftables,
  nixfmt-tree,
  rust-analyzer,
  rustfmt,
  systemd,
}:
mkShell {
  inputsFrom = [ sandboxed ];
  packages = [
    cargo
    clippy
    debootstrap
    iptables
    jq
    nftables
    nixfmt-tree
    rust-analyzer
    rustfmt
    systemd
  ];
}
