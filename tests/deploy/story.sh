# After the page: an EHR launches an app; what they do over TLS through nginx, with curl alone. Each line of SAYS is checked.
says() { printf 'SAYS %s: %s\n' "$1" "$2"; }
secret() { openssl rand -base64 48 | tr -d '=\n' | tr '+/' '-_'; }
status() { curl --silent --output /tmp/answer.json --write-out '%{http_code}' "$@"; }
auth=https://auth.hospital.example
fhir=https://fhir.hospital.example/r4
for patient in child-1 child-2; do
  curl --silent --show-error --fail --output /dev/null --request PUT --header 'Content-Type: application/fhir+json' \
    --data "{\"resourceType\":\"Patient\",\"id\":\"$patient\"}" "http://127.0.0.1:8080/fhir/Patient/$patient"
done
client=$(authz client add --name Vetted --auth-method none --grant-type authorization_code \
  --redirect-uri https://vetted.example/ --launch-uri https://vetted.example/launch.html \
  --scope "launch openid fhirUser patient/*.rs" --skip-consent-in-ehr-launch --json | jq --raw-output .client_id)
opened=$(authz launch create --client "$client" --user dr-lee --patient child-1 --json)
launch=$(printf '%s' "$opened" | jq --raw-output \
  '[.. | strings | select(startswith("https://vetted.example/launch.html?"))][0] | capture("[?&]launch=(?<it>[^&]*)").it')
verifier=$(secret)
challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64 | tr -d '=\n' | tr '+/' '-_')
back=$(curl --silent --show-error --get --output /tmp/authorize.html --write-out '%{redirect_url}' \
  --data-urlencode response_type=code --data-urlencode "client_id=$client" \
  --data-urlencode redirect_uri=https://vetted.example/ --data-urlencode 'scope=launch openid fhirUser patient/*.rs' \
  --data-urlencode "state=$(secret)" --data-urlencode "aud=$fhir" --data-urlencode "launch=$launch" \
  --data-urlencode "code_challenge=$challenge" --data-urlencode code_challenge_method=S256 "$auth/authorize")
code=$(printf '%s' "$back" | sed -n 's/.*[?&]code=\([^&]*\).*/\1/p')
[ -n "$code" ] || { echo "no code: $back"; head -c 1500 /tmp/authorize.html; exit 1; }
answer=$(curl --silent --data-urlencode grant_type=authorization_code --data-urlencode "code=$code" \
  --data-urlencode redirect_uri=https://vetted.example/ --data-urlencode "client_id=$client" \
  --data-urlencode "code_verifier=$verifier" "$auth/token")
token=$(printf '%s' "$answer" | jq --raw-output .access_token)
introspection_id=$(authz fhir-server show main --json | jq --raw-output .introspection_client_id)
introspection_secret=$(authz fhir-server rotate-secret main --json | jq --raw-output .introspection_client_secret)
introspected() {
  curl --silent --user "$introspection_id:$introspection_secret" --data-urlencode "token=$1" "$auth/introspect" \
    | jq --raw-output '"\(.active) \(.patient)"'
}
reads() {
  says "$1 this patient" "$(status --header "Authorization: Bearer $token" "$fhir/Patient/child-1")"
  says "$1 another patient" "$(status --header "Authorization: Bearer $token" "$fhir/Patient/child-2")"
  says "$1 without a token" "$(status "$fhir/Patient/child-1")"
  says "$1 introspected" "$(introspected "$token")"
  says "$1 a made-up token" "$(introspected "$(secret)")"
}
says "patient of the launch" "$(printf '%s' "$answer" | jq --raw-output .patient)"
says "forward-auth from the world" "$(status "$auth/forward-auth/main")"
reads "at first"
systemctl restart redis-server authz nginx
pg_ctlcluster "$(ls /etc/postgresql)" main restart
curl --silent --output /dev/null --retry 20 --retry-all-errors --fail "$auth/readyz"
reads "after a restart"
says doctor "$(CREDENTIAL=database-url authz doctor 2>&1 | tr '\n' ' ')"
exported() { grep --quiet '"token.issued"' /var/log/authz/audit.jsonl 2>/dev/null; }
# Who was stopped while sending had claimed the export for a minute (authz/audit/exporter.py LEASE); only then it goes on.
for _ in $(seq 600); do exported && break; sleep 0.2; done
exported || { tail -n 20 /run/stand-in/authz.log; CREDENTIAL=database-url authz audit verify; ls -l /var/log/authz; }
says "trail in the file" "$(grep --only-matching '"token.issued"' /var/log/authz/audit.jsonl | head -1 | tr -d '"')"
says "places a launch is logged" "$(grep --recursive --files-with-matches --fixed-strings "$launch" /var/log /run/stand-in | tr '\n' ' ')"
