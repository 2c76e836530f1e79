# shellcheck shell=bash
# Taking a player away. Sourced, not run.

# uninstall_player: what was installed goes; what is the venue's (configuration, films, state) stays without --purge.
uninstall_player() {
    local unit file
    ask_show "uninstalling"
    if booted; then
        while read -r unit; do
            say "stopping $unit"
            systemctl disable --now "$unit" >/dev/null 2>&1 || true
            systemctl reset-failed "$unit" 2>/dev/null || true
        done < <({
            known_players
            our_units
        } | sort -u)
    fi
    if [[ -e $FILES ]]; then
        say "removing units and drop-ins"
        while read -r file; do take_away "$file"; done <"$FILES"
        reload_units
    fi
    say "removing $PREFIX and the commands"
    for file in "$COMMAND" "$INSTALLER"; do
        if ours "$file"; then rm -f "$file"; fi
    done
    rm -rf "$PREFIX" /run/framezero
    if ((PURGE)); then purge; else
        say "kept: $CONFIG, $STATE, $CACHE and $LOG_DIR; 'deploy/install uninstall --purge' removes them"
    fi
    say "Debian's packages stay: others may use them ($(packages | paste -sd ' '))"
}

# our_units: those with an [Install] section, by the names that systemctl takes.
our_units() {
    [[ -e $FILES ]] || return 0
    sed -n 's#.*/system/\([^/@]*\)$#\1#p' "$FILES"
}

purge() {
    say "removing $CONFIG, $STATE, $CACHE, $LOG_DIR and user $PLAYER"
    rm -rf "$CONFIG" "$STATE" "$CACHE" /etc/systemd/system/framezero.service.d /etc/systemd/system/framezero@*.service.d
    if getent passwd "$PLAYER" >/dev/null; then userdel "$PLAYER" 2>/dev/null || die "user $PLAYER still runs something: ps -u $PLAYER"; fi
    if getent group "$PLAYER" >/dev/null; then groupdel "$PLAYER"; fi
    rm -rf "$LOG_DIR"
}
