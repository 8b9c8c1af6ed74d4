#!/usr/bin/env bash
# Installs what package-lock.json pins, by hash, beside it in node_modules: no more than a look when it is there.
set -eu
cd "$(dirname "$0")"
stamp=node_modules/.installed
cmp -s package-lock.json "$stamp" && exit 0
echo "installing: tests/browser/node_modules"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
cp package-lock.json "$stamp"
