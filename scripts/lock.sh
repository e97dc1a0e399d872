#!/bin/sh
# Compile the lock files from pyproject.toml. They hold names, versions and hashes, and no address of any index.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "Locking needs uv (https://docs.astral.sh/uv): install it first." >&2; exit 1; }
compile() { uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header "$@"; }
compile -o requirements.lock
compile --extra dev -c requirements.lock -o requirements-dev.lock
compile --extra bench -c requirements-dev.lock -o requirements-bench.lock
