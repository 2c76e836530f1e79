# shellcheck shell=bash
# systemd's side: units and drop-ins, which players there are, starting and stopping them. Sourced, not run.

SWITCH_UNIT=framezero-switch.service # see switch.sh
FILES=$PREFIX/files # what was put outside /opt, a path a line: what an uninstall takes away

# target_of FILE: where a file below systemd/ belongs; nothing for one that is only for readers.
target_of() {
    case $1 in
    */*/*) ;;
    *.conf.d/*.conf) echo "$SYSTEMD/$1" ;; # of systemd's own daemons, such as journald.conf.d
    *.d/*.conf | *.service | *.timer | *.socket | *.target | *.path | *.slice) echo "$SYSTEMD/system/$1" ;;
    esac
}

# unit_files SHARE: what a version puts outside /opt, a line each: where it lies, a tab, and where it belongs.
unit_files() {
    local file target
    printf '%s\t%s\n' "$1/deploy/installer/$SWITCH_UNIT" "$SYSTEMD/system/$SWITCH_UNIT"
    while read -r file; do
        target=$(target_of "$file")
        if [[ -n $target ]]; then printf '%s\t%s\n' "$1/systemd/$file" "$target"; fi
    done < <(cd "$1/systemd" && find . -type f -printf '%P\n' | LC_ALL=C sort)
}

# place_units SHARE: the units of that version, and none of another's. The list is first too long and then right, so
# that whatever ends this in between, the next run or an uninstall knows every file.
place_units() {
    local file target before=$CHANGED
    CHANGED=0
    [[ -d $1/systemd ]] || die "$1 has no systemd folder"
    unit_files "$1" >"$WORK/units"
    touch "$FILES"
    { cat "$FILES" && cut -f2 "$WORK/units"; } | sort -u >"$FILES.new"
    mv "$FILES.new" "$FILES"
    while IFS=$'\t' read -r file target; do put "$file" "$target" 644; done <"$WORK/units"
    while read -r target; do
        if ! cut -f2 "$WORK/units" | grep -qxF "$target"; then
            did "removing $target"
            take_away "$target"
        fi
    done <"$FILES"
    cut -f2 "$WORK/units" >"$FILES.new"
    mv "$FILES.new" "$FILES"
    if ((CHANGED)); then reload_units; else CHANGED=$before; fi
}

# take_away FILE: and the folders of ours that it leaves empty.
take_away() {
    local folder=${1%/*}
    rm -f "$1"
    while [[ $folder == "$SYSTEMD"* ]] && rmdir "$folder" 2>/dev/null; do folder=${folder%/*}; done
}

reload_units() {
    booted || return 0
    logged systemctl daemon-reload || die "systemd does not take the units"
    # What systemd's own daemons read only when they start, or are asked to. None of them lets go of what it holds.
    if grep -q '/system\.conf\.d/' "$FILES"; then logged systemctl daemon-reexec || true; fi
    if grep -q '/journald\.conf\.d/' "$FILES"; then logged systemctl try-restart systemd-journald || true; fi
    if grep -q '/logind\.conf\.d/' "$FILES"; then logged systemctl kill --signal=HUP systemd-logind || true; fi
}

# players: the units of all players with a configuration: the one of the host, and those of several on one host.
players() {
    local file
    if [[ -e $CONFIG/agent.toml ]]; then echo framezero.service; fi
    for file in "$CONFIG"/*/agent.toml; do
        if [[ -e $file ]]; then echo "framezero@$(basename "${file%/*}").service"; fi
    done
}

name_of() { # framezero@NAME.service → NAME
    case $1 in framezero@*) echo "${1:10:-8}" ;; esac
}

config_of() {
    local name
    name=$(name_of "$1")
    echo "$CONFIG${name:+/$name}/agent.toml"
}

# at_work UNIT: does it run, or try to?
at_work() { [[ $(systemctl show --value --property ActiveState "$1" 2>/dev/null) =~ ^(active|activating|reloading)$ ]]; }

running_players() {
    local unit
    booted || return 0
    while read -r unit; do
        if at_work "$unit"; then echo "$unit"; fi
    done < <(known_players)
}

# known_players: those with a configuration, and those that systemd runs all the same.
known_players() {
    {
        players
        if booted; then
            systemctl list-units --all --plain --no-legend 'framezero.service' 'framezero@*.service' | awk '{ print $1 }'
        fi
    } | LC_ALL=C sort -u
}

# desktop_returns: would one take the kiosk's screen at the next boot?
desktop_returns() { [[ $(systemctl get-default) == graphical.target ]] && systemctl is-enabled --quiet display-manager.service; } 2>/dev/null

# enable_unit UNIT: unless somebody has masked it, and meant it.
enable_unit() {
    if [[ ! $(systemctl is-enabled "$1" 2>/dev/null || true) =~ ^(enabled|masked(-runtime)?)$ ]]; then
        did "systemctl enable $1"
        logged systemctl enable "$1" || die "systemd does not enable $1"
    fi
}
