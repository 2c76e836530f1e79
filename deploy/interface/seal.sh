#!/usr/bin/env bash
# Sign a message: the body on standard input, its envelope on standard output. Needs bash and OpenSSL 3.
#
# Usage: seal.sh cue|program|panic|lift KEY... < BODY > ENVELOPE
# Example: seal.sh cue show.key < examples/cue-black.json
#
# A key is an Ed25519 private key in PEM, as `framezero keys new` makes them; openssl asks for its passphrase.
set -euo pipefail
export LC_ALL=C # lengths are of bytes

[[ ${1-} =~ ^(cue|program|panic|lift)$ && $# -ge 2 ]] || { sed -n '2,/^$/s/^# //p' "$0" >&2; exit 2; }
type="application/vnd.framezero.$1.v1+json" signatures=""
signed=$(mktemp)
trap 'rm -f "$signed"' EXIT
IFS= read -r -d '' body || true # to the end, its last newline included
# What is signed is DSSE's pre-authentication encoding of the type and the exact bytes.
printf 'DSSEv1 %d %s %d %s' ${#type} "$type" ${#body} "$body" > "$signed"
for file in "${@:2}"; do
    key=$(openssl pkey -in "$file")
    [[ $(openssl pkey -noout -text <<< "$key") == ED25519* ]] || { echo "$file: is no Ed25519 key" >&2; exit 1; }
    id=$(openssl pkey -pubout -outform DER <<< "$key" | tail -c 32 | sha256sum | cut -c 1-16)
    signature=$(openssl pkeyutl -sign -rawin -in "$signed" -inkey <(printf '%s\n' "$key") | base64 -w 0)
    signatures+=${signatures:+,}"{\"keyid\":\"$id\",\"sig\":\"$signature\"}"
done
payload=$(printf '%s' "$body" | base64 -w 0)
printf '{"payloadType":"%s","payload":"%s","signatures":[%s]}\n' "$type" "$payload" "$signatures"
