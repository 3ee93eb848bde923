#!/bin/sh
# Makes the documents of this folder with Krita 5.1.5, which needs python3-pyqt5 for its scripts.
set -e
here=$(cd "$(dirname "$0")" && pwd)
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir -p "$home/.local/share/krita/pykrita" "$home/run"
chmod 700 "$home/run"
cp "$here/make.py" "$home/.local/share/krita/pykrita/varvemake.py"
HOME=$home XDG_RUNTIME_DIR=$home/run PYTHONPATH=$home/.local/share/krita/pykrita OUT=$here \
	timeout 100 xvfb-run -a kritarunner -s varvemake -f make
rm -f "$here"/*.kra~
