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

# An animation with every way to dispose of a frame; of each frame what is shown.
convert -delay 10 -size 17x11 xc:red -dispose none \
	-page +2+3 \( -size 5x4 xc:blue \) -dispose background -page +6+2 \( -size 7x7 xc:none -fill lime -draw 'rectangle 1,1 4,5' \) \
	-dispose previous -page +0+0 \( -size 17x5 xc:none -fill yellow -draw 'rectangle 3,0 9,4' \) \
	-dispose none -page +10+6 \( -size 7x5 xc:white \) anim.gif
for i in 0 1 2 3 4; do
	echo "anim.gif[$i] $(convert anim.gif -coalesce +repage -background none -alpha background miff:- | convert "miff:-[$i]" -depth 16 -endian LSB rgba:- | sha256sum | cut -d' ' -f1)" >>truth.txt
done
