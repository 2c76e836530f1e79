# shellcheck shell=bash
# From one version to another: the show's consent, the state, the trial, and back. Sourced, not run.
#
# What is under way stands in $SWITCH: the versions, the players that ran, how far it is. Whoever finds it there
# without a switch at work (killed, or the power was cut) puts the old version back: then the wall is as it was.

SWITCH=$PREFIX/switch
SWITCHER=$PREFIX/switcher # → the 'install' that carries it out
SAVED=$PREFIX/saved       # ID/UNIT: the state of each player, as that version left it
SWITCH_LOG=$LOG_DIR/switch.log
# While the agent stands still its folder below /run is kept: the line of its clock is there, without which the wall
# would wait for the time servers.
KEEP_RUN=/run/systemd/system/framezero
STEADY_S=5 # who is READY and dies is found out within this
ANSWER_S=20

# ask_show WHAT: ends this where a cue runs or starts within an hour on any player, or where that cannot be known.
ask_show() {
    local unit said status
    while read -r unit; do
        status=0
        said=$("$CURRENT/bin/framezero" local quiet --for 60m --config "$(config_of "$unit")" 2>&1) || status=$?
        ((status)) || continue
        ((status == 1)) || said="nobody can tell whether a cue runs there ('framezero local quiet' ended with status $status): $said"
        if ((FORCE)); then
            say "$unit: $said; --force was given"
        else
            die "$1 would interrupt the show. $unit: $said
Nothing was changed. Wait, or do it all the same with --force"
        fi
    done < <(running_players)
}

# schemas ID: of the journal and of the as-run book, as that version writes them; nothing where it does not say.
schemas() {
    "$VERSIONS/$1/bin/python" -c 'from agent import book, journal; print(journal.SCHEMA_VERSION, book.SCHEMA_VERSION)' 2>/dev/null || true
}

# state_of UNIT: where its agent keeps its state: what agent.toml says, which may be a disk of its own.
state_of() {
    local name said
    name=$(name_of "$1")
    said=$(/usr/bin/python3 -c 'import sys, tomllib
with open(sys.argv[1], "rb") as file:
    print(tomllib.load(file)["state_dir"])' "$(config_of "$1")" 2>/dev/null) || true
    echo "${said:-$STATE${name:+/$name}}"
}

# on_state ARGUMENTS…: state.py as the player's user, whose files these are.
on_state() {
    setpriv --reuid "$PLAYER" --regid "$PLAYER" --init-groups /usr/bin/python3 "$ROOT/deploy/installer/state.py" "$@"
}

# check_upgrade ID: what would go wrong with it, found while the show still goes on.
check_upgrade() {
    local unit config need=0 free book=()
    [[ $(schemas "$1") == "$(schemas "$(id_of "$CURRENT")")" ]] || book=(--with-book)
    while read -r unit; do
        config=$(config_of "$unit")
        if can_read_config "$CURRENT" "$config" && ! can_read_config "$VERSIONS/$1" "$config"; then
            die "the new version does not take $config; nothing was changed. It says: $(cat "$WORK/config")"
        fi
        need=$((need + $(on_state needed "$(state_of "$unit")" "${book[@]}")))
    done < <(running_players)
    free=$(df --output=avail -B1 "$PREFIX" | tail -n 1)
    ((need + 50000000 < free)) || die "the copy of the state before an upgrade needs $((need / 1000000)) MB in $PREFIX, and $((free / 1000000)) MB are free"
}

can_read_config() {
    setpriv --reuid "$PLAYER" --regid "$PLAYER" --init-groups "$1/bin/python" -c \
        'import sys, pathlib, agent.config; agent.config.load(pathlib.Path(sys.argv[1]), {})' "$2" 2>&1 | tail -n 3 >"$WORK/config"
}

# note FIELD=VALUE…: into $SWITCH, whole or not at all, and on the disk.
note() {
    { cat "$SWITCH" 2>/dev/null || true; printf '%s\n' "$@"; } >"$SWITCH.new" && sync "$SWITCH.new" && mv "$SWITCH.new" "$SWITCH"
}

noted() { sed -n "s/^$1=//p" "$SWITCH" | tail -n 1; } # what was noted last counts

# switch_to ID BY: has the service do it with the installer of version BY, shows what it says, and ends as it ended.
switch_to() {
    local status=0 starter
    if ! booted; then
        place_units "$VERSIONS/$1/share/framezero"
        link "versions/$(id_of "$CURRENT")" "$PREVIOUS"
        link "versions/$1" "$CURRENT"
        return 0
    fi
    rm -rf "${SAVED:?}/$(id_of "$CURRENT")"
    rm -f "$SWITCH"
    link "$VERSIONS/$2/share/framezero/deploy/install" "$SWITCHER" # first: who finds the note needs it
    note "from=$(id_of "$CURRENT")" "to=$1" "wait_s=$WAIT_S" "phase=asked" "boot=$(cat /proc/sys/kernel/random/boot_id)" \
        "players=$(running_players | tr '\n' ' ')"
    : >"$SWITCH_LOG"
    systemctl start "$SWITCH_UNIT" 2>>"$LOG" &
    starter=$!
    tail --follow --lines=+1 --sleep-interval=0.2 --pid="$starter" "$SWITCH_LOG" # to its last line, and then it ends
    wait "$starter" || status=$?
    CHANGED=1
    return "$status"
}

# carry_out: within the service. What is found half done is undone.
carry_out() {
    [[ -e $SWITCH ]] || return 0
    read -ra PLAYERS <<<"$(noted players)"
    WAIT_S=$(noted wait_s)
    FROM=$(noted from) TO=$(noted to)
    if [[ $(noted phase) == asked && $(noted boot) != "$(cat /proc/sys/kernel/random/boot_id)" ]]; then
        end_switch
    elif [[ $(noted phase) == good ]]; then
        accept
    elif [[ $(noted phase) == asked ]]; then
        try_it
    else
        WHY="it was broken off"
        go_back
    fi
}

try_it() {
    local unit book=()
    [[ $(schemas "$TO") == "$(schemas "$FROM")" ]] || book=(--with-book)
    note phase=trying
    keep_run
    say "stopping ${PLAYERS[*]:-nothing}"
    GAP_FROM=$(date +%s%N)
    stop_players
    install -d -m 755 "$SAVED" "$SAVED/$FROM"
    for unit in "${PLAYERS[@]}"; do
        install -d -o "$PLAYER" -g "$PLAYER" -m 700 "$SAVED/$FROM/$unit"
        on_state save "$(state_of "$unit")" "$SAVED/$FROM/$unit" "${book[@]}" || {
            WHY="the state could not be copied (is there room in $PREFIX?)"
            rm -rf "${SAVED:?}/$FROM" # nothing has changed the state yet, and room is what may be wanting
            go_back
        }
    done
    make_readable "$TO" # where it has run before
    use_version "$TO"
    if start_and_judge; then
        accept
    else
        go_back
    fi
}

accept() {
    note phase=good
    link "versions/$FROM" "$PREVIOUS"
    end_switch
    say "$TO runs; $FROM is kept, and 'sudo framezero-install rollback' goes back to it"
}

go_back() {
    local failed=$TO
    say "going back to $FROM: $WHY"
    note phase=back || true # without it the next one who looks goes back as well
    keep_run
    stop_players
    make_readable "$FROM" --as-it-was
    set +e # on a full disk units may stay those of the newer version; the players are started all the same
    (set -e && use_version "$FROM")
    set -e
    ((WAIT_S >= 60)) || WAIT_S=60 # there is no other to try
    if start_and_judge; then
        end_switch
        say "$FROM runs again"
    else
        end_switch
        say "$FROM was put back and does not come up either: $WHY"
    fi
    if [[ $(id_of "$PREVIOUS") != "$failed" ]]; then rm -rf "${VERSIONS:?}/$failed"; fi
    exit 1
}

# make_readable ID [--as-it-was]: the state, for that version.
make_readable() {
    local unit known
    read -ra known <<<"$(schemas "$1")"
    for unit in "${PLAYERS[@]}"; do
        [[ -d $SAVED/$1/$unit ]] || continue # it was broken off before the copy, or did not run then
        on_state restore "$(state_of "$unit")" "$SAVED/$1/$unit" "${@:2}" --newer "not-$1" \
            --journal "${known[0]:-0}" --book "${known[1]:-0}" || say "$unit: its state is as it was left"
    done
}

use_version() {
    link "versions/$1" "$CURRENT"
    place_units "$VERSIONS/$1/share/framezero"
}

keep_run() {
    local kind
    for kind in "" @; do
        install -d "$KEEP_RUN$kind.service.d"
        printf '[Service]\nRuntimeDirectoryPreserve=yes\n' >"$KEEP_RUN$kind.service.d/switch.conf"
    done
    logged systemctl daemon-reload
}

end_switch() {
    local kind
    for kind in "" @; do
        rm -f "$KEEP_RUN$kind.service.d/switch.conf"
        rmdir "$KEEP_RUN$kind.service.d" 2>/dev/null || true
    done
    systemctl daemon-reload || true
    rm -f "$SWITCH" "$SWITCHER"
}

stop_players() {
    if ((${#PLAYERS[@]})); then logged systemctl stop "${PLAYERS[@]}" || true; fi
}

# start_and_judge: true where all of them come up, answer and stay; else WHY says what was wrong.
start_and_judge() {
    local unit judge since
    since=$(date +%s)
    ((${#PLAYERS[@]})) || return 0
    systemctl reset-failed "${PLAYERS[@]}" 2>/dev/null || true
    logged systemctl start --no-block "${PLAYERS[@]}" || true
    for judge in comes_up answers stays; do
        for unit in "${PLAYERS[@]}"; do
            if ! "$judge" "$unit"; then
                said_last "$unit" "$since"
                return 1
            fi
        done
        if [[ $judge == comes_up && -n ${GAP_FROM:-} ]]; then
            say "without an agent for $((($(date +%s%N) - GAP_FROM) / 1000000)) ms"
            GAP_FROM=
        fi
    done
    say "${PLAYERS[*]}: up, and answers"
}

property() { systemctl show --value --property "$2" "$1"; }

comes_up() {
    local unit=$1 end=$((SECONDS + WAIT_S))
    while [[ $(property "$unit" ActiveState) != active ]]; do
        if [[ $(property "$unit" NRestarts) != 0 || $(property "$unit" ActiveState) == failed ]]; then
            WHY="$unit ended again before it was READY"
            return 1
        fi
        if ((SECONDS >= end)); then
            WHY="$unit was not READY within $WAIT_S s"
            return 1
        fi
        sleep 0.1
    done
}

# answers: the agent's own word over its local socket, where this version has one.
answers() {
    local unit=$1 end=$((SECONDS + ANSWER_S))
    "$CURRENT/bin/framezero" local status --help >/dev/null 2>&1 || return 0
    # Whatever it says of its wall: exit status 1 may be 'not ready', and is no fault of the version.
    until "$CURRENT/bin/framezero" local status --json --config "$(config_of "$unit")" 2>/dev/null | grep -q '"venue"'; do
        if ((SECONDS >= end)) || [[ $(property "$unit" ActiveState) != active ]]; then
            WHY="$unit was READY, and its agent does not answer at its local socket"
            return 1
        fi
        sleep 0.2
    done
}

stays() {
    local unit=$1 end=$((SECONDS + STEADY_S))
    while ((SECONDS < end)); do
        if [[ $(property "$unit" ActiveState) != active || $(property "$unit" NRestarts) != 0 ]]; then
            WHY="$unit was READY, and ended within $STEADY_S s"
            return 1
        fi
        sleep 0.2
    done
}

said_last() {
    say "$1: $WHY; the last lines of its journal:"
    journalctl --no-pager --quiet --output=cat --lines=12 --unit="$1" --since="@$2" || true
}

# mend: what a switch that was broken off left behind.
mend() {
    local status=0
    [[ -e $SWITCH ]] || return 0
    booted || return 0
    [[ $(property "$SWITCH_UNIT" ActiveState) != activating ]] || die "a change of the version is under way: wait for its end (systemctl status $SWITCH_UNIT)"
    did "an earlier change of the version was broken off: putting it right"
    systemctl start "$SWITCH_UNIT" || status=$?
    cat "$SWITCH_LOG"
}

# prune: only what runs and the one before are kept.
prune() {
    local path
    for path in "$VERSIONS"/* "$SAVED"/*; do
        case ${path##*/} in "$(id_of "$CURRENT")" | "$(id_of "$PREVIOUS")" | '*') ;; *) rm -rf "$path" ;; esac
    done
}
