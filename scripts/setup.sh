#!/bin/sh
# Make .venv and install the locked requirements: `setup.sh` for running, `setup.sh dev` for tests and checks as well,
# `setup.sh bench` for the peers that measurements are taken beside.
# Does nothing when what is installed already matches the lock files.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-run}
say() { printf '• %s\n' "$*" >&2; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

state="$(pwd) $(cat requirements*.lock pyproject.toml | cksum)"
for done in run dev bench; do # each kind serves for those before it
    if [ "$kind" = run ] || [ "$kind" = "$done" ] || [ "$done" = bench ]; then
        [ "$(cat ".venv/.$done" 2>/dev/null)" = "$state" ] && .venv/bin/python -c '' 2>/dev/null && exit 0
    fi
done

fits() { "$1" -c "import sys; sys.exit(not ($2))" >/dev/null 2>&1; }
python=
for wanted in '(3, 11) <= sys.version_info < (3, 14)' '(3, 11) <= sys.version_info'; do
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
        if [ -z "$python" ] && fits "$candidate" "$wanted"; then python=$candidate; fi
    done
done
[ -n "$python" ] || fail "TimelyRain needs Python 3.11 or newer, and none was found: install one, or name it (PYTHON=/path/to/python make ...)."

# A virtual environment that was moved or lost its interpreter is made again.
if ! fits .venv/bin/python "sys.version_info >= (3, 11)" || ! grep -qsF "$(pwd)/.venv" .venv/bin/activate; then
    say "making .venv with $("$python" --version 2>&1)"
    rm -rf .venv
    "$python" -m venv .venv >/dev/null 2>&1 ||
        fail "$python cannot make virtual environments: install its venv module (Debian and Ubuntu: apt-get install python3-venv)."
fi

lock=requirements.lock
[ "$kind" = run ] || lock=requirements-$kind.lock
say "installing the packages of $lock (about half a minute the first time)"
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
pip install -qq --require-hashes -r "$lock" ||
    fail "The packages of $lock could not be installed: see the message above; most often the package index was out of reach."
pip install -qq --no-deps --no-build-isolation -e . ||
    fail "TimelyRain itself could not be installed into .venv: see the message above."
printf '%s' "$state" >".venv/.$kind"
