#!/bin/sh
# Installs taxii-fed from this source tree into a virtual environment, from wheels alone and with the pinned versions of
# constraints.txt. Touches nothing outside DIR (and STATE, where asked for).
#
#   deploy/install.sh [--dev] [--extras mongodb,...] [--state STATE --owner UID] DIR
#
#   --dev      editable, with what the checks and tests need
#   --extras   optional parts: mongodb, medallion, srv
#   --state    also make the folder STATE, which belongs to --owner and which nobody else may enter
#
# PYTHON names the interpreter to use; without it the newest of 3.11 to 3.14 that is there.
set -eu

dev="" extras="" state="" owner="" target=""
while [ $# -gt 0 ]; do
    case "$1" in
        --dev) dev=1 ;;
        --extras) extras="[$2]"; shift ;;
        --state) state=$2; shift ;;
        --owner) owner=$2; shift ;;
        -*) echo "install.sh: unknown option $1" >&2; exit 64 ;;
        *) target=$1 ;;
    esac
    shift
done
[ -n "$target" ] || { sed -n '5s/^# *//p' "$0" >&2; exit 64; }
case $target in /*) ;; *) target=$PWD/$target ;; esac
source=$(cd "$(dirname "$0")/.." && pwd)

if [ -e "$target" ] && [ ! -e "$target/pyvenv.cfg" ] && [ -n "$(ls -A "$target")" ]; then
    echo "install.sh: $target holds something else than a virtual environment" >&2
    exit 73
fi

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

make_environment() {
    for python in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
        new_enough "$python" || continue
        found=$python
        "$python" -m venv "$target" >/dev/null 2>&1 && return
        rm -rf "$target"
        "$python" -m virtualenv --quiet "$target" >/dev/null 2>&1 && return
        virtualenv --quiet --python "$python" "$target" >/dev/null 2>&1 && return
        rm -rf "$target"
    done
    if [ -z "${found:-}" ]; then
        echo "install.sh: no Python of at least 3.11 here. Put one on the PATH, or name it: PYTHON=/path/to/python3 $0 ..." >&2
    elif command -v apt-get >/dev/null 2>&1; then
        echo "install.sh: $found has no venv. Type: sudo apt-get install -y $(basename "$found")-venv" >&2
    else
        echo "install.sh: $found has no venv. Type: $found -m pip install --user virtualenv" >&2
    fi
    exit 69
}

new_enough "$target/bin/python" || { rm -rf "$target"; make_environment; }

pip() { "$target/bin/python" -m pip --disable-pip-version-check -qq "$@"; }
wheels="--only-binary :all: --constraint $source/constraints.txt"
# The first step brings the pip that knows dependency groups, and the builder: nothing unpinned is fetched for the build.
# shellcheck disable=SC2086
pip install $wheels --upgrade pip hatchling editables
cd "$source"
# shellcheck disable=SC2086
if [ -n "$dev" ]; then
    pip install $wheels --no-build-isolation --group dev --editable ".$extras"
else
    pip install $wheels --no-build-isolation ".$extras"
    "$target/bin/taxii-fed" --version
fi

if [ -n "$state" ]; then
    mkdir -p "$state"
    chmod 700 "$state"
    [ -z "$owner" ] || chown "$owner" "$state"
fi
