#!/usr/bin/env bash
# `make clients`: installs the client libraries below target/ and runs every script against the given program.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
program="$(realpath "$1")"
place="$(cd "$here/../../.." && pwd)/target/clients"
shift

if ! command -v python3 >/dev/null || ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
	echo "skipped: python3 with pip and venv is not installed, so no vendor's client library was tried"
	exit 0
fi
mkdir -p "$place"
# Installed anew only where the list has changed.
if ! cmp -s "$here/requirements.txt" "$place/installed.txt"; then
	rm -rf "$place/python" "$place/installed.txt"
	python3 -m venv "$place/python"
	"$place/python/bin/pip" install --quiet --no-deps --disable-pip-version-check --requirement "$here/requirements.txt"
	cp "$here/requirements.txt" "$place/installed.txt"
fi
if command -v npm >/dev/null; then
	mkdir -p "$place/node"
	cp "$here"/node/*.mjs "$place/node/"
	if ! cmp -s "$here/node/package-lock.json" "$place/node/package-lock.json"; then
		cp "$here/node/package.json" "$here/node/package-lock.json" "$place/node/"
		(cd "$place/node" && npm ci --no-audit --no-fund --loglevel=error) || {
			rm -f "$place/node/package-lock.json"
			exit 1
		}
	fi
	export NODE_PACKAGES="$place/node"
fi
GROUPCAST="$program" exec "$place/python/bin/python" "$here/run.py" "$@"
