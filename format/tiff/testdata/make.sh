#!/bin/sh
# Makes the fixtures of this folder with ImageMagick 6.9: a picture in many forms, and in truth.txt the SHA-256 of what
# ImageMagick decodes of each: red, green, blue, alpha (of cmyk… the four inks) in 16 bits, little-endian.
set -eu
cd "$(dirname "$0")"
rm -f ./*.tif truth.txt
draw="-size 17x11 xc: -channel R -fx i/w -channel G -fx j/h -channel B -fx (i*7+j*13)%17/16 +channel"
faint="$draw -alpha set -channel A -fx (i+j)/28 +channel"
truth() {
	case $1 in
	cmyk*) kind=cmyk ;;
	*) kind=rgba ;;
	esac
	echo "$1 $(convert "$1" -depth 16 -endian LSB $kind:- | sha256sum | cut -d' ' -f1)" >>truth.txt
}
make() {
	name=$1.tif
	shift
	convert "$@" "$name" || test -s "$name" # it warns of what it then leaves out
	truth "$name"
}
make little $draw -depth 8 -compress none
make big16 $draw -depth 16 -compress none -define tiff:endian=msb
convert big16.tif -define tiff:rows-per-strip=3 TIFF64:bigtiff.tif
truth bigtiff.tif
make lzw $draw -depth 8 -compress lzw -define tiff:predictor=2
make lzw16 $draw -depth 16 -compress lzw -define tiff:predictor=2 -define tiff:endian=msb
make zip $draw -depth 8 -compress zip
make packbits $draw -depth 8 -compress rle
make tiled $draw -depth 8 -compress zip -define tiff:tile-geometry=16x16
make planar $draw -depth 8 -compress none -interlace plane
make planartiled $draw -depth 16 -compress zip -interlace plane -define tiff:tile-geometry=16x16
make float $draw -depth 32 -compress zip -define quantum:format=floating-point -define tiff:predictor=3
make double $draw -depth 64 -compress none -define quantum:format=floating-point -define tiff:endian=msb
make half $draw -depth 16 -compress none -define quantum:format=floating-point
make int32 $draw -depth 32 -compress none
make gray1 $draw -colorspace gray -threshold 50% -type bilevel -compress none
make gray4 $draw -colorspace gray -depth 4 -compress lzw
make gray8 $draw -colorspace gray -depth 8 -compress none
make minwhite $draw -colorspace gray -depth 8 -compress none -define quantum:polarity=min-is-white
make fax4 $draw -colorspace gray -threshold 50% -type bilevel -compress group4
make faxlsb $draw -colorspace gray -threshold 50% -type bilevel -compress group4 -define tiff:fill-order=lsb
make palette4 $draw -colors 13 -type palette -compress none -depth 4
make palette8 $draw -colors 100 -type palette -compress lzw
make straight $faint -depth 8 -compress none -define tiff:alpha=unassociated
make straight16 $faint -depth 16 -compress zip -define tiff:alpha=unassociated -define tiff:predictor=2
make grayalpha $faint -colorspace gray -depth 8 -compress none -define tiff:alpha=unassociated
make cmyk $draw -colorspace CMYK -depth 8 -compress lzw
make cmyk16 $draw -colorspace CMYK -depth 16 -compress none
