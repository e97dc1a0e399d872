#!/bin/sh
# Format, lint, types, doors. Every check runs, so that one failure does not hide the next.
set -u
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=
step() {
    name=$1
    shift
    printf '• %s\n' "$name" >&2
    "$@" || failed="$failed $name"
}
step format "$bin/ruff" format --check --quiet .
step lint "$bin/ruff" check --quiet .
step types "$bin/pyright" --warnings
step doors env PYTHONPATH=scripts "$bin/lint-imports" --no-cache
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
echo "format, lint, types and doors are in order"
