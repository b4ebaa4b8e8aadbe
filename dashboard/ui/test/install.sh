#!/bin/sh
# Installs what the tests of the page need and is missing: Debian's Chromium, and the pinned packages of package-lock.json.
#   install.sh [packages]      with "packages", no browser
# Works as root, or with a sudo that asks for nothing. May run several times at once.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "install.sh: $1" >&2; exit 1; }

if [ "${1:-}" != packages ] && ! command -v "${CHROMIUM:-chromium}" >/dev/null 2>&1; then
	command -v apt-get >/dev/null 2>&1 || fail "no chromium and no apt-get; install Chromium, or name one in CHROMIUM"
	as=""
	if [ "$(id -u)" != 0 ]; then
		sudo -n true 2>/dev/null || fail "no chromium, and not root to install it; run: sudo apt-get install chromium"
		as="sudo -n"
	fi
	$as apt-get update -q && $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core
fi
command -v npm >/dev/null 2>&1 || fail "no npm; install Node.js 20.19 or later"
if ! cmp -s package-lock.json node_modules/.lock-installed; then
	npm ci --ignore-scripts --no-audit --no-fund
	cp package-lock.json node_modules/.lock-installed
fi
