#!/usr/bin/env bash
# Installs the Debian packages named in the files given; without one all that building and testing need, and
# what the browser tests take from the npm registry.
set -eu
here=$(dirname "$0")
want=$(sed "s/#.*//" "${@:-$here/packages-build.txt}" $([ $# -gt 0 ] || echo "$here/packages.txt") | xargs)

there() { # package
	case $1 in
	# Often installed by other means, beside which Debian's would not be wanted.
	nodejs) command -v node >/dev/null ;;
	npm) command -v npm >/dev/null ;;
	*) dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed' ;;
	esac
}

missing=
for p in $want; do
	there "$p" || missing="$missing $p"
done
if [ -n "$missing" ]; then
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
fi
[ $# -gt 0 ] || "$here/browser/install.sh"
