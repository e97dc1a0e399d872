#!/bin/sh
# Run the named files of bench/, or all of them, one after the other: two at once would measure each other.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- bench/*.py
for file; do
    [ -f "$file" ] || { echo "there is no $file" >&2; exit 1; }
    printf '\n%s\n' "$file"
    .venv/bin/python "$file"
done
