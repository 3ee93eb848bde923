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
make bits.pbm $draw -colorspace gray -threshold 50%
make gray8.pgm $draw -colorspace gray -depth 8
make gray16.pgm $draw -colorspace gray -depth 16
make gray12.pgm $draw -colorspace gray -depth 12
make rgb8.ppm $draw -depth 8
make rgb16.ppm $draw -depth 16
make bits1.pbm $draw -colorspace gray -threshold 50% -compress none
make gray2.pgm $draw -colorspace gray -depth 8 -compress none
make rgb3.ppm $draw -depth 16 -compress none
make rgba.pam $faint -depth 8
make rgba16.pam $faint -depth 16
make rgb.pfm $draw
make big.pfm $draw -endian MSB
