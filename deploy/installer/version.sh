# shellcheck shell=bash
# One version of framezero: the wheel that it comes from, its id, its environment under /opt. Sourced, not run.

# the_wheel: sets WHEEL: the one given, the one in the wheelhouse, or one built from the clone that this stands in.
the_wheel() {
    local found=()
    if [[ -n $WHEEL ]]; then
        [[ -r $WHEEL ]] || die "there is no file $WHEEL"
    elif [[ -n $WHEELHOUSE ]] && mapfile -t found < <(find "$WHEELHOUSE" -maxdepth 1 -name 'framezero-*.whl') && ((${#found[@]})); then
        ((${#found[@]} == 1)) || die "$WHEELHOUSE has several versions; choose with --wheel: ${found[*]##*/}"
        WHEEL=${found[0]}
    elif [[ -e $ROOT/pyproject.toml && -d $ROOT/agent ]]; then
        build_wheel
    else
        die "there is nothing to install from here: name a wheel (--wheel FILE), or run the 'deploy/install' of a bundle" \
            "that deploy/wheelhouse made"
    fi
    [[ ${WHEEL##*/} =~ ^framezero-([0-9][A-Za-z0-9.+_!]*)-py3-none-any\.whl$ ]] ||
        die "${WHEEL##*/} is no wheel of framezero, such as framezero-1.2.0-py3-none-any.whl"
    VERSION=${BASH_REMATCH[1]}
}

# kept_by: the id of the version that this installer is a part of; nothing in a clone or a bundle.
kept_by() {
    case $ROOT in "$VERSIONS"/*/share/framezero) basename "${ROOT%/share/framezero}" ;; esac
}

build_wheel() {
    local python=$CURRENT/bin/python
    say "building the wheel from $ROOT"
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        logged /usr/bin/python3 -m venv "$WORK/pip" || die "python3-venv does not work here"
        python=$WORK/pip/bin/python
    fi
    logged "$python" -m pip wheel "${PIP_QUIET[@]}" "${PIP_FROM[@]}" --no-deps --wheel-dir "$WORK/wheel" "$ROOT" ||
        die "the wheel could not be built: does this machine reach the network? Without it, install from a bundle of deploy/wheelhouse"
    WHEEL=$(compgen -G "$WORK/wheel/framezero-*.whl")
}

# check_bundle: is the wheelhouse whole, and for this machine? A bundle has BUNDLE and SHA256SUMS beside its folder of wheels.
check_bundle() {
    local top=${WHEELHOUSE%/*} architecture python here
    [[ -e $top/BUNDLE ]] || return 0
    # What it says is compared, never run.
    architecture=$(sed -n 's/^architecture=//p' "$top/BUNDLE")
    python=$(sed -n 's/^python=//p' "$top/BUNDLE")
    here=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [[ "$architecture $python" != "$(uname -m) $here" ]]; then
        die "this bundle is for $architecture with Python $python, and this machine is $(uname -m) with Python $here;" \
            "make one with: deploy/wheelhouse --arch $(uname -m) --python $here"
    fi
    (cd "$top" && sha256sum --quiet --check SHA256SUMS) >>"$LOG" 2>&1 ||
        die "a file of this bundle is damaged or missing, as $LOG says; copy it onto the stick again"
}

# name_version: sets ID: version, Python and a hash of all that makes it, so that the same is the same.
name_version() {
    local hash file
    hash=$({
        sha256sum <"$WHEEL"
        kept_files "$ROOT" | while read -r file; do
            echo "$file"
            sha256sum <"$ROOT/$file"
        done
    } | sha256sum)
    ID=$VERSION-$(/usr/bin/python3 -c 'import sys; print("py%d%d" % sys.version_info[:2])')-${hash:0:12}
}

# kept_files TOP: the files below TOP that a version keeps, in one order.
kept_files() {
    local kept=() path
    for path in "${KEPT[@]}"; do
        if [[ -e $1/$path ]]; then kept+=("$path"); fi
    done
    (cd "$1" && find "${kept[@]}" -type f ! -name '*~' ! -name '*.pyc' | LC_ALL=C sort)
}

# copy_kept FROM TO: those files, with modes that do not come from a stick's file system.
copy_kept() {
    local file mode
    kept_files "$1" | while read -r file; do
        mode=644
        if [[ " ${PROGRAMS[*]} " == *" $file "* ]]; then mode=755; fi
        install -D -m "$mode" "$1/$file" "$2/$file"
    done
}

MAKING='' # where a version is made that is not whole yet

# unmake_version: what came to no end takes no room, and a damaged one that it was to replace is better than none.
unmake_version() {
    [[ -n $MAKING ]] || return 0
    rm -rf "$MAKING"
    if [[ -e $MAKING.before ]]; then mv "$MAKING.before" "$MAKING"; fi
}

# prepare_version: the environment of ID beside the one that runs, which is not touched; at the lowest priority, as a show may run.
prepare_version() {
    local place=$VERSIONS/$ID
    if whole "$ID" && "$place/bin/framezero" --version >/dev/null 2>&1; then return 0; fi
    [[ -n $WHEEL ]] || die "$place is damaged, and cannot be made again without its wheel: install from the bundle or the clone"
    if [[ $(id_of "$CURRENT") == "$ID" ]]; then ask_show "making it anew"; fi
    did "making $place"
    install -d -m 755 "$PREFIX" "$VERSIONS"
    MAKING=$place
    rm -rf "$place.before"
    if whole "$ID"; then mv "$place" "$place.before"; else rm -rf "$place"; fi
    renice -n 19 $$ >/dev/null
    ionice -c 3 -p $$ 2>/dev/null || true
    logged /usr/bin/python3 -m venv "$place" || die "python3-venv does not work here"
    say "pip install ${WHEEL##*/}"
    logged "$place/bin/python" -m pip install "${PIP_QUIET[@]}" "${PIP_FROM[@]}" --only-binary :all: \
        --constraint "$ROOT/deploy/constraints.txt" "$(realpath "$WHEEL")[agent]" ||
        die "the Python packages could not be installed; what runs was not touched. ${PIP_HINT}"
    copy_kept "$ROOT" "$place/share/framezero"
    try_version "$place"
    renice -n 0 $$ >/dev/null
    ionice -c 0 -p $$ 2>/dev/null || true
    sync -f "$place" # before anything points there: a power cut must not find half of it
    : >"$place/share/framezero/whole"
    MAKING=''
    rm -rf "$place.before"
}

# try_version PLACE: as the player's user, since that is who has to be able to read it.
try_version() {
    local said
    say "trying it"
    said=$(setpriv --reuid "$PLAYER" --regid "$PLAYER" --init-groups "$1/bin/framezero" --version 2>&1) ||
        die "the new version does not run, and was not put to use; it says: $said"
    [[ $said == "framezero $VERSION" ]] || die "the new version is not what its wheel says; it says: $said"
    logged setpriv --reuid "$PLAYER" --regid "$PLAYER" --init-groups "$1/bin/python" -c \
        'import agent.daemon, agent.player.process, agent.technician.cli' ||
        die "the new version cannot load what it needs, and was not put to use"
}
