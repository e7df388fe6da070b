# Run in the tree as root: container engines with the low-level programs they run containers by, systemd-nspawn(1) and
# bubblewrap. AppArmor is there since the engines use it where the kernel has it, as on any Debian. Nothing of it is
# started at boot.
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o Acquire::Retries=3 update
apt-get -q -y -o Acquire::Retries=3 --no-install-recommends install \
    docker.io docker-cli runc containerd podman crun netavark aardvark-dns bubblewrap systemd-container apparmor debootstrap
systemctl disable docker.service docker.socket containerd.service podman.socket podman.service \
    podman-restart.service podman-auto-update.timer podman-clean-transient.service

# What a container is made of: there is no registry of images here, so it is a small Debian of its own, which
# systemd-nspawn runs as it is and the engines import.
image=/var/lib/machines/ledger
mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
debootstrap --variant=minbase --include=python3,iproute2 "$(. /etc/os-release; echo "$VERSION_CODENAME")" "$image" "$mirror"
rm -rf "$image"/var/cache/apt/* "$image"/var/lib/apt/lists/* "$image"/usr/share/{doc,locale,man}

for root in / "$image"; do
    useradd --root "$root" --system --uid 990 --user-group --home-dir /nonexistent --shell /usr/sbin/nologin ledger
done
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
touch -r /usr /etc/.updated /var/.updated
