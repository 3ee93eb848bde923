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
make lossless.webp $draw -define webp:lossless=true
make losslessalpha.webp $faint -define webp:lossless=true -define webp:exact=true
make lossy.webp $draw -quality 80
make lossyalpha.webp $faint -quality 70
make wide.webp $draw -resize 100x37! -quality 50

# The animation of GIF's fixtures; of each frame what is shown: lossless what the GIF shows, lossy what ImageMagick lays
# over what was there.
gif2webp -quiet ../../gif/testdata/anim.gif -o anim.webp
sed -n 's/^anim.gif/anim.webp/p' ../../gif/testdata/truth.txt >>truth.txt
gif2webp -quiet -lossy -q 90 ../../gif/testdata/anim.gif -o animlossy.webp
for i in 0 1 2; do # it does not know the later ones, which are set instead
	echo "animlossy.webp[$i] $(convert animlossy.webp -coalesce +repage -background none -alpha background miff:- | convert "miff:-[$i]" -depth 16 -endian LSB rgba:- | sha256sum | cut -d' ' -f1)" >>truth.txt
done
