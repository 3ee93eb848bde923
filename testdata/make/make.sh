#!/usr/bin/env bash
# Makes the sample files that Blender, Krita, GIMP and ImageMagick write, where the tests look for them:
#   testdata/make/make.sh [DIR]     (testdata/made of the project if DIR is not given)
# It takes half a minute, and Debian's packages blender, python3-numpy, krita, python3-pyqt5, xvfb, gimp and imagemagick.
# DIR is replaced when all is made; what an application says is shown if it fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
to=${1:-$here/../made}
mkdir -p "$(dirname "$to")"
to=$(cd "$(dirname "$to")" && pwd)/$(basename "$to")
if [ -e "$to" ] && [ ! -d "$to/kra/generated-krita" ]; then
  echo "$to is there, and was not made by this" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/made
export HOME=$work/home # no settings of anyone
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME
mkdir -p "$HOME" "$out"

failed() { # what, its log
  printf '%s failed:\n' "$1" >&2
  cat "$2" >&2
  return 1
}
blender_() {
  local step
  for step in base moved mesh deleted material resaved truth; do
    blender -b -noaudio --factory-startup --python-exit-code 3 -P "$here/blender.py" -- "$step" "$out" >"$work/blender.log" 2>&1 || failed "Blender, $step" "$work/blender.log"
  done
}
# Of Krita and GIMP no status tells whether a script ended: what it writes last does.
krita_() {
  mkdir "$work/krita"
  cp "$here/krita.py" "$work/krita/postcard.py" # krita is the name of what it imports
  OUT=$out PYTHONPATH=$work/krita PYTHONDONTWRITEBYTECODE=1 QT_LOGGING_RULES='*.debug=false' timeout 180 \
    xvfb-run -a -n $((100 + $$ % 20000)) kritarunner -s postcard -f make >"$work/krita.log" 2>&1 || failed Krita "$work/krita.log"
  [ -s "$out/kra/generated-krita/TRUTH.json" ] || failed Krita "$work/krita.log"
}
gimp_() {
  local dir=$out/xcf/generated-gimp
  mkdir -p "$dir"
  { printf '(define DIR "%s")\n' "$dir" && cat "$here/gimp.scm"; } >"$work/gimp.scm"
  timeout 180 gimp -n -i -d -f -b - <"$work/gimp.scm" >"$work/gimp.log" 2>&1 || failed GIMP "$work/gimp.log"
  if [ ! -s "$dir/TRUTH.json" ] || grep -q 'Error:' "$work/gimp.log"; then failed GIMP "$work/gimp.log"; fi
}
imagemagick_() { "$here/imagemagick.sh" "$out" >"$work/imagemagick.log" 2>&1 || failed ImageMagick "$work/imagemagick.log"; }

run() { # what, by itself, that it ends at its first failure
  "$@" &
  wait $! || status=1
}
status=0
blender_ & # half of the work
blender=$!
run krita_
run gimp_
run imagemagick_
wait $blender || status=1
[ $status = 0 ] || exit 1

if ! (cd "$out" && find . -type f -size +0 | LC_ALL=C sort) | diff "$here/files.txt" - >&2; then
  echo 'of files.txt these (<) are not there or are empty; these (>) it does not have' >&2
  exit 1
fi
rm -rf "$to"
mv "$out" "$to"
