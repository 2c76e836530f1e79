# shellcheck shell=bash
# What all parts of deploy/install share: where things lie, how they are said, what is done if a step fails. Sourced, not run.

PREFIX=/opt/framezero
VERSIONS=$PREFIX/versions
CURRENT=$PREFIX/current   # → versions/ID, what runs; switched by rename, so that it is never absent
PREVIOUS=$PREFIX/previous # → versions/ID, what 'rollback' goes back to
CONFIG=/etc/framezero
STATE=/var/lib/framezero
CACHE=/var/cache/framezero
COMMAND=/usr/local/bin/framezero
INSTALLER=/usr/local/sbin/framezero-install
PLAYER=framezero # user and group
LOG_DIR=/var/log/framezero
LOG=$LOG_DIR/install.log
LOCK=/run/framezero-install.lock # in a folder of root's: nobody can lay a link there
# Beside the administrator's own in /etc and before the distribution's in /usr/lib: nobody's file is overwritten, what
# 'systemctl edit' and 'mask' write there still wins, and taking ours away needs no list of what was there before.
SYSTEMD=/usr/local/lib/systemd

# What a version keeps of the clone or the bundle that it came from, under the same names, so that units go back with
# their version and an installed player has this installer at hand.
PROGRAMS=(deploy/install deploy/kiosk deploy/quiet)
SAMPLE=deploy/venues/tokyo-shibuya.toml
KEPT=("${PROGRAMS[@]}" deploy/installer deploy/constraints.txt deploy/chrony.conf deploy/runbook.md
    deploy/player.md "$SAMPLE" systemd)

CHANGED=0

# say: a full disk under the log is no reason to end half-way.
say() {
    printf '[%3d s] %s\n' "$SECONDS" "$*" || true
    if [[ -w $LOG ]]; then printf '[%3d s] %s\n' "$SECONDS" "$*" >>"$LOG" || true; fi
} 2>/dev/null

# did WHAT: says a change, so that a run without any can say so.
did() {
    CHANGED=1
    say "$@"
}

die() {
    printf 'install: %s\n' "$*" >&2
    if [[ -w $LOG ]]; then printf 'install: %s\n' "$*" >>"$LOG"; fi
    exit 1
}

wrong() {
    printf 'install: %s; see --help\n' "$*" >&2
    exit 2
}

# logged COMMAND…: its output into the log; if it fails, the end of that output is shown, and the status is its own.
logged() {
    local status=0 from
    printf '\n$ %s\n' "$*" 2>/dev/null >>"$LOG" || true
    from=$(wc -l <"$LOG")
    "$@" >>"$LOG" 2>&1 || status=$?
    if ((status)); then
        tail -n "+$((from + 1))" "$LOG" | tail -n 30 >&2
        printf 'install: failed with status %d: %s\nThe whole log: %s\n' "$status" "$1" "$LOG" >&2
    fi
    return "$status"
}

begin_log() {
    install -d -m 755 "$LOG_DIR"
    if [[ -e $LOG && $(stat -c %s "$LOG") -gt 4000000 ]]; then mv "$LOG" "$LOG.1"; fi
    printf '\n=== %s: %s\n' "$(date -u +%FT%TZ)" "$*" >>"$LOG"
}

# one_at_a_time: until the end of this process, and of what it has started: pip may outlive it.
one_at_a_time() {
    exec {LOCK_FD}>"$LOCK"
    flock -n "$LOCK_FD" || die "another deploy/install is at work on this machine: wait for its end"
}

booted() { [[ -d /run/systemd/system ]]; }

# link TARGET NAME: NAME points to TARGET from one moment to the next, without one in which it is absent.
link() {
    [[ $(readlink "$2" 2>/dev/null || true) != "$1" ]] || return 0
    ln -sfn "$1" "$2.new"
    mv -T "$2.new" "$2"
}

# put FILE TARGET MODE [OWNER]: the same bytes there, whole or not at all; says what is new.
put() {
    local owner=${4:-root:root}
    if cmp -s "$1" "$2" && [[ $(stat -c '%a %U:%G' "$2") == "$3 $owner" ]]; then return 0; fi
    [[ -d ${2%/*} ]] || install -d -m 755 "${2%/*}"
    install -o "${owner%:*}" -g "${owner#*:}" -m "$3" "$1" "$2.new"
    mv -T "$2.new" "$2"
    did "wrote $2"
}

# ours PATH: nothing, or a link into /opt/framezero, and not what somebody else has put there.
ours() { [[ (! -e $1 && ! -L $1) || $(readlink "$1") == "$PREFIX"/* ]]; }

# id_of LINK: the id of the version that it names, or nothing.
id_of() {
    local target
    target=$(readlink "$1" 2>/dev/null) || return 0
    echo "${target##*/}"
}

# whole ID: is this version installed to its end?
whole() { [[ -n $1 && -e $VERSIONS/$1/share/framezero/whole ]]; }
