# shellcheck shell=bash
# The machine under the player: is it one of ours, which Debian packages, the user, the folders. Sourced, not run.

# libmpv2 plays; ffmpeg has ffprobe, which compares films with their program; chrony keeps the host's clock; the rest runs the agent.
PACKAGES=(python3 python3-venv libmpv2 ffmpeg chrony ca-certificates tzdata)
# A bare X server for a player whose wall hangs on its own socket, with what sets mode and blanking.
KIOSK_PACKAGES=(xserver-xorg-core x11-xserver-utils)

packages() {
    printf '%s\n' "${PACKAGES[@]}"
    if ((KIOSK)); then printf '%s\n' "${KIOSK_PACKAGES[@]}"; fi
}

check_system() {
    local id version name architecture
    # shellcheck source=/dev/null  # the machine's own
    { id=$(. /etc/os-release && echo "${ID:-}") && version=$(. /etc/os-release && echo "${VERSION_ID:-0}") &&
        name=$(. /etc/os-release && echo "${PRETTY_NAME:-}"); } 2>/dev/null || die "/etc/os-release is missing: which system is this?"
    architecture=$(dpkg --print-architecture 2>/dev/null || uname -m)
    case $architecture in
    amd64 | arm64) ;;
    armhf | armel | i386)
        die "this is a 32-bit system ($architecture), and framezero's libraries come for 64 bits only: put the 64-bit" \
            "Debian 12 or 13 or Raspberry Pi OS (64-bit) on it; a Raspberry Pi 4 or 5 runs them"
        ;;
    *) die "runs on amd64 and arm64, and this is $architecture" ;;
    esac
    if [[ $id != debian || ! ${version%%.*} =~ ^1[23]$ ]]; then
        die "runs on Debian 12, Debian 13 and Raspberry Pi OS (64-bit) made from them, and this is ${name:-$id $version}"
    fi
}

missing_packages() {
    local package
    for package in $(packages); do
        case $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true) in
        installed) ;;
        *)
            # Debian has one time daemon at a time: chrony would throw out one that somebody chose, and is not needed then.
            if [[ $package == chrony ]] && dpkg-query --show --showformat '${db:Status-Status}\n' ntpsec openntpd ntp 2>/dev/null |
                grep -qx installed; then
                continue
            fi
            echo "$package"
            ;;
        esac
    done
}

# install_packages: by apt-get, which starts chrony as it should run, and restarts no service of others (needrestart).
install_packages() {
    local missing hint
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]})) || return 0
    hint="connect it to the network once, or install them from where you can: apt-get install --no-install-recommends ${missing[*]}"
    if ((NO_APT)); then die "these Debian packages are missing, and --no-apt was given; $hint"; fi
    did "apt-get install ${missing[*]}"
    # A list that cannot be refreshed is no reason to stop: the install says whether it matters.
    logged env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=0 -o Acquire::http::Timeout=20 update 2>/dev/null || true
    logged env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l APT_LISTCHANGES_FRONTEND=none apt-get -q -y \
        -o DPkg::Lock::Timeout=120 install --no-install-recommends "${missing[@]}" ||
        die "Debian's packages could not be installed; $hint"
}

make_user() {
    local group groups
    if ! getent group "$PLAYER" >/dev/null; then
        did "group $PLAYER"
        logged groupadd --system "$PLAYER" || exit 1
    fi
    if ! getent passwd "$PLAYER" >/dev/null; then
        did "user $PLAYER"
        logged useradd --system --gid "$PLAYER" --home-dir "$STATE" --no-create-home --shell /usr/sbin/nologin \
            --comment "framezero player" "$PLAYER" || exit 1
    fi
    groups=" $(id -nG "$PLAYER") "
    for group in video render audio; do # the screen's device, the decoder's, the sound's
        if [[ $groups != *" $group "* ]] && getent group "$group" >/dev/null; then
            did "user $PLAYER into group $group"
            logged usermod --append --groups "$group" "$PLAYER" || exit 1
        fi
    done
}

# folder PATH MODE: root's, and the agent's user may read it.
folder() {
    if [[ $(stat -c '%a %U:%G' "$1" 2>/dev/null || true) != "$2 root:$PLAYER" ]]; then
        did "folder $1"
        install -d -o root -g "$PLAYER" -m "$2" "$1"
    fi
}

make_folders() {
    folder "$CONFIG" 750
    folder "$CONFIG/keys" 750
    put "$1/$SAMPLE" "$CONFIG/agent.toml.sample" 640 "root:$PLAYER"
}
