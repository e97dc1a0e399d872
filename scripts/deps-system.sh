#!/bin/sh
# System packages that make TimelyRain complete: a Chinese font for contracts and pages, poppler's pdfsig for a second
# opinion on signatures (certutil lets it trust the demo root), Chromium for the browser tests. None is needed to run.
#   deps-system.sh         all of them
#   deps-system.sh fonts   the font only
# Quiet and quick when nothing is missing. Where it may not install it says so in one sentence and succeeds.
set -eu

has_font() {
    if command -v fc-list >/dev/null 2>&1; then
        fc-list :lang=zh-cn family 2>/dev/null | grep -q . && return 0
    fi
    for directory in "${TIMELYRAIN_FONT_DIR:-}" "${TIMELYRAIN_HOME:-var}/fonts" /usr/share/fonts/opentype/noto /System/Library/Fonts; do
        [ -n "$directory" ] && ls "$directory" 2>/dev/null | grep -Eqi 'cjk|pingfang|notosanssc|sourcehan|\.ttc$|\.otf$|\.ttf$' && return 0
    done
    return 1
}

missing=""
has_font || missing="fonts-noto-cjk"
case "${1:-all}" in
    fonts) ;;
    all)
        command -v pdfsig >/dev/null 2>&1 || missing="$missing poppler-utils"
        command -v certutil >/dev/null 2>&1 || missing="$missing libnss3-tools"
        command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 \
            || command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
        ;;
    *) echo "deps-system.sh: unknown argument '$1'; use no argument, or 'fonts'." >&2; exit 2 ;;
esac
[ -n "$missing" ] || exit 0
missing=$(echo $missing)

as_root=""
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Not installed: $missing (no apt-get here; install the like of them with this system's package manager; everything else works without them)."
    exit 0
elif [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        echo "Not installed: $missing (needs root; run 'sudo apt-get install $missing'; everything else works without them)."
        exit 0
    fi
fi

echo "Installing $missing ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1; }
# A fresh machine has no package lists yet; only then are they fetched.
if ! install && ! { $as_root apt-get update -q >"$log" 2>&1 && install; }; then
    echo "Not installed: $missing (apt-get failed: $(grep -m1 '^E:' "$log" || tail -n 1 "$log"); everything else works without them)."
fi
