#!/bin/sh
# Installs Debian's redis-server and redis-cli, if they are missing. Works as root, or with a sudo that asks for nothing.
set -eu

fail() { echo "install.sh: $1" >&2; exit 1; }

command -v redis-server >/dev/null 2>&1 && command -v redis-cli >/dev/null 2>&1 && exit 0
command -v apt-get >/dev/null 2>&1 || fail "no redis-server and no apt-get; install Redis 7 or later"
as=""
if [ "$(id -u)" != 0 ]; then
	sudo -n true 2>/dev/null || fail "no redis-server, and not root to install it; run: sudo apt-get install redis-server"
	as="sudo -n"
fi
$as apt-get update -q && $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends redis-server redis-tools
