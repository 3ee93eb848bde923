#!/bin/sh
# Makes the fixtures of this folder with ImageMagick 6.9: a picture as JPEG of every kind, and beside each as PNG what
# ImageMagick decodes of it, chroma not smoothed; of inks (.cmyk) the four of them in 8 bits.
set -eu
cd "$(dirname "$0")"
rm -f ./*.jpg ./*.png ./*.cmyk
draw="-size 25x18 xc: -channel R -fx i/w -channel G -fx j/h -channel B -fx (i*3+j*5)%17/16 +channel"
make() {
	name=$1
	shift
	convert "$@" "$name.jpg"
	case $name in
	cmyk*) convert "$name.jpg" -depth 8 "cmyk:$name.cmyk" ;;
	*) convert -define jpeg:fancy-upsampling=off "$name.jpg" -strip "$name.png" ;;
	esac
}
make full $draw -quality 95 -sampling-factor 4:4:4
make half $draw -quality 90 -sampling-factor 4:2:2
make quarter $draw -quality 85 -sampling-factor 4:2:0 -set comment "hello"
make progressive $draw -quality 90 -interlace line -sampling-factor 4:2:0
make gray $draw -quality 90 -colorspace gray
make cmyk $draw -quality 95 -colorspace CMYK
