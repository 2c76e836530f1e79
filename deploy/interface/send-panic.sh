#!/usr/bin/env bash
# Sign a panic, or the lift of one, publish it to every broker and print its id. Needs bash, OpenSSL 3, mosquitto_pub and
# GNU date.
#
# Usage: send-panic.sh black|slate|PANIC-ID [options of mosquitto_pub: --cafile, --cert, --key, -u, -P ...]
# Example: export BROKERS="cue-a.example:8883 cue-b.example:8883" SHOW=bring-your-vision KEYS=panic.key
#          send-panic.sh black --cafile ca.pem
#
# With the id of a panic it lifts that one, which takes a show key. Also from the environment: VENUES (["*"]; JSON),
# ROOT (framezero/v1). Exit status: 0 a broker has taken it · 1 none has · 2 usage.
set -euo pipefail

[[ ${1-} != -h && ${1-} != --help ]] || { sed -n '2,/^set/s/^# \?//p' "$0"; exit 0; }
uuid='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
[[ ${1-} =~ ^(black|slate|$uuid)$ && -n ${BROKERS-} && -n ${SHOW-} && -n ${KEYS-} ]] ||
    { sed -n '2,/^set/s/^# //p' "$0" >&2; exit 2; }
case $1 in
    black | slate) kind=panic panic=$(< /proc/sys/kernel/random/uuid) to=", \"to\": \"$1\"" ;;
    *) kind=lift panic=$1 to="" ;;
esac
shift
body=$(printf '{"v": 1, "%s": "%s", "show": "%s", "venues": %s, "issued": "%s"%s}' "$kind" "$panic" "$SHOW" \
    "${VENUES:-[\"*\"]}" "$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)" "$to")
# A lift takes its panic's place at the brokers, but one of some venues only leaves it there for the others.
place=$panic
[[ $kind == panic || ${VENUES:-[\"*\"]} == '["*"]' ]] || place+=-$(sha256sum <<< "$body" | cut -c 1-8)
read -ra keys <<< "$KEYS"
envelope=$("${BASH_SOURCE[0]%/*}/seal.sh" "$kind" "${keys[@]}" <<< "$body")
status=1
for broker in $BROKERS; do
    for topic in panic "panic/$place"; do
        # mosquitto_pub ends with 0 where the broker's access list forbids it, but says so.
        said=$(mosquitto_pub -V 5 -h "${broker%:*}" -p "${broker##*:}" -q 1 -r -t "${ROOT:-framezero/v1}/$topic" \
            -m "$envelope" "$@" 2>&1) && [[ -z $said ]] && status=0
        [[ -z $said ]] || printf '%s: %s\n' "$broker" "$said" >&2
    done
done
printf '%s\n' "$panic"
exit "$status"
