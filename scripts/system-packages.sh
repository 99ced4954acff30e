#!/usr/bin/env bash
# Install the Debian/Ubuntu packages that pip can't bring: `python` (virtual environments),
# `display` (a virtual display and the libraries Qt and OpenGL need) or `browser` (what the tests of
# the report need; they are skipped without it). Does nothing elsewhere.
set -euo pipefail

case "${1:-}" in
    python) wanted=(python3-venv) ;;
    display) wanted=(
        xvfb xauth libgl1 libegl1 libopengl0 libglib2.0-0 libdbus-1-3 libfontconfig1
        libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0
        libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1
    ) ;;
    browser) wanted=(chromium chromium-driver fonts-dejavu-core) ;;
    *) echo "usage: $0 python|display|browser" >&2; exit 2 ;;
esac

command -v apt-get >/dev/null || exit 0

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

missing=()
for package in "${wanted[@]}"; do
    # Since 2024 some libraries carry the suffix t64 (64-bit time).
    installed "$package" || installed "${package}t64" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These system packages are missing; install them with:" >&2
    echo "  sudo apt-get install ${missing[*]}" >&2
    exit 0
fi
echo "Installing system packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
if ! apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
    # Ubuntu has Chromium as a snap only.
    [ "$1" = browser ] && echo "Without these packages some tests are skipped." >&2 && exit 0
    exit 1
fi
