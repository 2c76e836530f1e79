#!/usr/bin/env bash
# Sign a cue, publish it to every broker, retained until it expires, and print its id. The answers are others' to wait
# for: see README.md. Needs bash, OpenSSL 3, mosquitto_pub and GNU date.
#
# Usage: send-cue.sh ACTION AT [options of mosquitto_pub: --cafile, --cert, --key, -u, -P ...]
# Example: export BROKERS="cue-a.example:8883 cue-b.example:8883" SHOW=bring-your-vision KEYS=show.key
#          send-cue.sh '{"action": "play", "program": "winners-reel", "rev": 3, "loop": true}' '+30 seconds' --cafile ca.pem
#
# AT is what `date -d` reads, such as 2025-06-02T12:00:00Z. Also from the environment: VENUES (["*"]; JSON), ROOT
# (framezero/v1), LIFE (8 days; at most 30). Exit status: 0 a broker has taken it · 1 none has · 2 usage.
set -euo pipefail

[[ ${1-} != -h && ${1-} != --help ]] || { sed -n '2,/^set/s/^# \?//p' "$0"; exit 0; }
[[ $# -ge 2 && $1 == "{"*"}" && -n ${BROKERS-} && -n ${SHOW-} && -n ${KEYS-} ]] || { sed -n '2,/^set/s/^# //p' "$0" >&2; exit 2; }
utc() { date -u -d "$1" +%Y-%m-%dT%H:%M:%S.%6NZ; }
action=$1 cue=$(< /proc/sys/kernel/random/uuid) life=${LIFE:-8 days}
at=$(utc "$2") && expires=$(utc "$life") || exit 2
seconds=$(($(date -d "$expires" +%s) - $(date +%s)))
shift 2
body=$(printf '{"v": 1, "cue": "%s", "show": "%s", "venues": %s, "at": "%s", "issued": "%s", "expires": "%s", "do": %s}' \
    "$cue" "$SHOW" "${VENUES:-[\"*\"]}" "$at" "$(utc now)" "$expires" "$action")
read -ra keys <<< "$KEYS"
envelope=$("${BASH_SOURCE[0]%/*}/seal.sh" cue "${keys[@]}" <<< "$body")
status=1
for broker in $BROKERS; do
    # mosquitto_pub ends with 0 where the broker's access list forbids it, but says so.
    said=$(mosquitto_pub -V 5 -h "${broker%:*}" -p "${broker##*:}" -q 1 -r -D publish message-expiry-interval "$seconds" \
        -t "${ROOT:-framezero/v1}/cue/$cue" -m "$envelope" "$@" 2>&1) && [[ -z $said ]] && status=0
    [[ -z $said ]] || printf '%s: %s\n' "$broker" "$said" >&2
done
printf '%s\n' "$cue"
exit "$status"
