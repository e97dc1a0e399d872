#!/bin/sh
# Run the named rooms' measurements in bench/, or all of them, one after the other: two at once would measure each other.
# A room that misses a target does not keep the next from being measured, but the exit code tells.
set -eu
cd "$(dirname "$0")/.."
rooms=$(grep -l '^ *report(' bench/*.py) # the others are what they measure with
[ $# -gt 0 ] || set -- $rooms
missed=
for file; do
    [ -f "$file" ] || { echo "there is no $file; rooms with measurements are: $rooms" >&2; exit 1; }
    room=$(basename "$file" .py)
    .venv/bin/python -m "bench.$room" || missed="$missed $room"
done
[ -z "$missed" ] || { echo "targets missed or not measured in:$missed" >&2; exit 1; }
