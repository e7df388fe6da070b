# Run in the tree as root: what the package's maintainer scripts do.
useradd --system --home-dir /var/lib/matrix-synapse --shell /usr/sbin/nologin matrix-synapse
install -d -o matrix-synapse -g matrix-synapse -m 0750 /var/lib/matrix-synapse /var/log/matrix-synapse
ln -s ../sites-available/matrix-synapse /etc/nginx/sites-enabled/
rm /etc/nginx/sites-enabled/default

# The other homeserver: one certificate that is its own authority, for its address.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=neighbour \
    -addext subjectAltName=IP:198.51.100.2 -keyout /root/neighbour.key -out /etc/matrix-synapse/neighbour.pem

cd /var/lib/matrix-synapse
/opt/venvs/matrix-synapse/bin/python -m synapse.app.homeserver --generate-keys \
    --config-path=/etc/matrix-synapse/homeserver.yaml --config-path=/etc/matrix-synapse/conf.d/
chown root:matrix-synapse /etc/matrix-synapse/homeserver.signing.key
chmod 0640 /etc/matrix-synapse/homeserver.signing.key
