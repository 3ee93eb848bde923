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
# ImageMagick 6 gives the rows of a TGA as they lie in the file, and says that they are from the bottom: turn them.
make() {
	name=$1.tga
	shift
	convert "$@" "$name"
	truth "$name" -flip
}
make rgb24 $draw -compress none
make rgb24rle $draw -compress rle
make rgba32 $faint -compress none
make rgba32rle $faint -compress rle
make gray8 $draw -colorspace gray -compress none
make gray8rle $draw -colorspace gray -compress rle
make palette8 $draw -colors 100 -type palette -compress none
make palette8rle $draw -colors 100 -type palette -compress rle
