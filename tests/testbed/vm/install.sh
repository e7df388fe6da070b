# Run in the tree as root: a kernel of its own, an initial RAM disk with no more than it needs, and the agent.
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold install \
    linux-image-cloud-amd64 udev initramfs-tools zstd
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
systemctl enable sandboxed-testbed-agent.service
# Nobody logs in at a machine that is thrown away.
systemctl mask getty@tty1.service serial-getty@ttyS0.service systemd-timesyncd.service
# The first boot finds its caches made.
systemd-hwdb update
touch -r /usr /etc/.updated /var/.updated
