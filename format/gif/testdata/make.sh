#!/bin/sh
# Makes the fixtures of this folder with ImageMagick 6.9: a picture in many forms, and in truth.txt the SHA-256 of what
# ImageMagick decodes of each: red, green, blue, alpha (of cmyk… the four inks) in 16 bits, little-endian.
set -eu
cd "$(dirname "$0")"
draw="-size 17x11 xc: -channel R -fx i/w -channel G -fx j/h -channel B -fx (i*7+j*13)%17/16 +channel"
faint="$draw -alpha set -channel A -fx (i+j)/28 +channel"
rm -f truth.txt
truth() {
	case $1 in
	cmyk*) kind=cmyk ;;
	*) kind=rgba ;;
	esac
	name=$1
	shift
	echo "$name $(convert "${name}[0]" "$@" -depth 16 -endian LSB $kind:- | sha256sum | cut -d' ' -f1)" >>truth.txt
}
make() {
	name=$1
	shift
	convert "$@" "$name"
	truth "$name"
}
make full.gif $draw -colors 200
make interlaced.gif $draw -colors 30 -interlace line
make transparent.gif $draw -colors 30 -transparent white -alpha set -channel A -fx i>j +channel
make two.gif $draw -threshold 50%
