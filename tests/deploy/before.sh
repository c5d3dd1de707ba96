# What the newcomer has before section 3: a PostgreSQL that Debian has started, names, certificates, and a FHIR server.
ip link set lo up 2>/dev/null || python3 - <<'PY'
import fcntl, socket, struct
with socket.socket() as any_socket:  # iproute2 is not there: SIOCSIFFLAGS, IFF_UP
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 1))
PY
pg_ctlcluster "$(ls /etc/postgresql)" main start
mkdir -p /etc/nginx/tls
for name in auth fhir; do
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$name.hospital.example" \
    -addext "subjectAltName=DNS:$name.hospital.example" -out "/etc/nginx/tls/$name.hospital.example.pem" \
    -keyout "/etc/nginx/tls/$name.hospital.example.key" 2>/dev/null
  cp "/etc/nginx/tls/$name.hospital.example.pem" "/usr/local/share/ca-certificates/$name.crt"
done
update-ca-certificates >/dev/null 2>&1
mkdir -p /srv/fhir
cat > /srv/fhir/sekmet.yaml <<'YAML'
base_url: https://fhir.hospital.example/r4
host: 127.0.0.1
port: 8080
data_dir: /srv/fhir
log_inbound: false
simulator:
  enabled: false
YAML
(cd /srv/fhir && SEKMET_CONFIG=/srv/fhir/sekmet.yaml exec /opt/fhir-server/bin/sekmet serve --host 127.0.0.1 --port 8080) > /srv/fhir/log 2>&1 &
for _ in $(seq 300); do curl --silent --fail --output /dev/null http://127.0.0.1:8080/fhir/metadata && break; sleep 0.2; done
