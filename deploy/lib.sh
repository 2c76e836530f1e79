# The common part of deploy/demo and tests/run; sourced, not run.
#
# Brings a Debian machine to where framezero's lab runs: packages by apt, Python packages in .venv inside the
# clone. Does only what is still missing, so that a second run takes a second. Each step says one line with
# the seconds since the start; what the tools themselves say goes to $LOG and is shown when a step fails.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LOG=$ROOT/out/install.log
VENV=$ROOT/.venv
# What the lab runs beside Python: broker, time servers, fake displays, player, wrong clocks, film encoder.
DEBIAN_PACKAGES=(mosquitto mosquitto-clients chrony xvfb libmpv2 faketime ffmpeg)
POLICY=/usr/sbin/policy-rc.d
PATH=$PATH:/usr/sbin:/sbin # mosquitto and chronyd live there, and a user's PATH on Debian lacks it

say() {
    printf '[%3d s] %s\n' "$SECONDS" "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# logged COMMAND…: its output into the log; if it fails, the end of the log is shown and the script ends.
logged() {
    local status=0
    printf '\n$ %s\n' "$*" >>"$LOG"
    "$@" >>"$LOG" 2>&1 || status=$?
    if ((status)); then
        tail -n 40 "$LOG" >&2
        die "the step above failed with status $status; the whole log is $LOG"
    fi
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -- "$@"; fi
}

# usable_python: the Debian one first, as that is what the players run; nothing where none is new enough.
usable_python() {
    local candidate
    for candidate in /usr/bin/python3 "$(command -v python3 || true)"; do
        if [[ -x $candidate ]] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$candidate"
            return
        fi
    done
}

# mirror: where this machine has its own Debian packages from, a line each; for the scripts that make another Debian.
mirror() {
    awk '$1 == "URIs:" {print $2; exit}' /etc/apt/sources.list.d/*.sources 2>/dev/null
    awk '$1 == "deb" {for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) {print $i; exit}}' /etc/apt/sources.list 2>/dev/null
}

missing_packages() {
    local wanted=("${DEBIAN_PACKAGES[@]}") package python
    python=$(usable_python)
    # Debian splits ensurepip off from its python3; a Python of one's own brings it along.
    if [[ -z $python ]] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then wanted+=(python3-venv); fi
    for package in "${wanted[@]}"; do
        [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true) == installed ]] ||
            echo "$package"
    done
}

# apt_install PACKAGE…: without letting Debian start the broker and the time daemon that come with them: the lab
# runs its own, and a demo must not set the clock of the machine that it is tried on.
apt_install() (
    if [[ ! -e $POLICY ]]; then
        trap 'as_root rm -f "$POLICY"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
        as_root chmod 755 "$POLICY"
    fi
    # A list that cannot be refreshed is no reason to stop: the install says whether it matters.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
        install --no-install-recommends "$@"
)

install_packages() {
    local missing id version
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]})) || return 0
    id=$(. /etc/os-release 2>/dev/null && echo "${ID:-}") || true
    version=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-0}") || true
    if [[ ! $id =~ ^(debian|raspbian)$ ]] || ((${version%%.*} < 12)); then
        die "installs by itself on Debian 12 or 13 and Raspberry Pi OS only, and this is ${id:-unknown} ${version:-};" \
            "install what Debian calls ${missing[*]}, or use a Debian container"
    fi
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        die "apt-get needs root and there is no sudo; as root: apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "apt-get install ${missing[*]}"
    logged apt_install "${missing[@]}"
    if [[ " ${missing[*]} " =~ \ (mosquitto|chrony)\  ]]; then
        say "mosquitto and chrony were not started; they will be at the next boot unless you 'systemctl disable' them"
    fi
}

# install_python EXTRA: .venv with this clone in it, editable, at the versions that were tested (constraints.txt).
install_python() {
    local extra=$1 python home sum
    python=$(usable_python)
    [[ -n $python ]] || die "no Python 3.11 or newer; as root: apt-get install python3 python3-venv"
    # An environment holds absolute paths, and modules for one Python: neither survives a move or an upgrade.
    home="$ROOT $("$python" --version)"
    if [[ $(cat "$VENV/home" 2>/dev/null || true) != "$home" ]]; then
        say "making .venv with $("$python" --version) ($python)"
        logged "$python" -m venv --clear "$VENV"
        echo "$home" >"$VENV/home"
    fi
    sum=$(cat "$ROOT/pyproject.toml" "$ROOT/deploy/constraints.txt" | sha256sum)
    if [[ $(cat "$VENV/installed-$extra" 2>/dev/null || true) != "$sum" ]]; then
        say "pip install .[$extra]"
        logged "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input \
            --constraint "$ROOT/deploy/constraints.txt" --editable "$ROOT[$extra]"
        echo "$sum" >"$VENV/installed-$extra"
    fi
}

# install EXTRA: everything that `framezero lab` (EXTRA lab) or the tests (EXTRA dev) need.
install() {
    mkdir -p "${LOG%/*}"
    : >"$LOG"
    install_packages
    install_python "$1"
    say "everything is installed"
}
