#!/usr/bin/env bash
# Installs the Debian packages named in the files given (else: all that building and testing need).
set -eu
here=$(dirname "$0")
want=$(sed "s/#.*//" "${@:-$here/packages-build.txt}" $([ $# -gt 0 ] || echo "$here/packages.txt") | xargs)
missing=
for p in $want; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
sudo=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "install: these Debian packages are missing:$missing: install them as root" >&2
		exit 1
	}
	sudo=sudo
fi
echo "installing:$missing"
$sudo apt-get -q update >/dev/null
DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq install -y --no-install-recommends $missing >/dev/null
