#!/usr/bin/env bash
# Makes one picture in many files, and edits of it, with ImageMagick: imagemagick.sh DIR
set -euo pipefail
mkdir -p "$1/raster/generated-imagemagick"
cd "$1/raster/generated-imagemagick"

draw() { convert -size 240x160 'gradient:#f4d9a0-#2b4f81' -fill '#7a2f1d' -draw 'circle 70,90 70,60' -fill '#1f6b3a' \
  -draw 'polygon 180,50 220,130 140,130' -stroke black -strokewidth 1 -draw 'line 10,150 230,140' "$@"; }
edit() { # name, arguments: of base.png
  local name=$1
  shift
  convert base.png "$@" +repage -depth 8 "PNG24:edit-$name.png"
}
score() { # metric, name: what ImageMagick measures; it ends in 1 where the pictures differ
  compare -metric "$1" base.png "edit-$2.png" null: 2>&1 || [ $? = 1 ]
}

draw -depth 8 PNG24:base.png
draw -depth 16 PNG48:base16.png
convert base.png -interlace PNG PNG24:interlaced.png
convert base.png -colorspace Gray -depth 8 gray8.png
convert base.png \( -size 240x160 -define gradient:radii=120,120 radial-gradient:white-black \) -alpha off -compose CopyOpacity -composite PNG32:alpha.png
convert base.png -compress none base.tif
convert base.png -compress LZW lzw.tif
convert base.png -compress LZW -define tiff:tile-geometry=64x64 tiled.tif
convert base16.png -compress Zip -depth 16 zip16.tif
# It speaks of a tag that it does not know, and writes all the same.
convert base.png -compress none -depth 32 -define quantum:format=floating-point float32.tif 2>float32.log || grep -q 'Unknown tag 317' float32.log
rm float32.log
convert base.png BMP3:base.bmp
convert base.png -compress none base.tga
convert base.png -compress RLE rle.tga
convert base.png -define webp:lossless=true lossless.webp
convert base.png -quality 80 lossy.webp
convert base.png -quality 90 base.jpg
convert base.png -quality 85 -interlace JPEG progressive.jpg
convert base.png -colorspace CMYK -quality 90 cmyk.jpg
convert base.png -colors 64 base.gif
convert -delay 10 -loop 0 base.png \( -clone 0 -roll +12+0 \) \( -clone 0 -roll +24+0 \) -colors 32 anim.gif
convert base.png -define dds:compression=dxt1 -define dds:mipmaps=0 dxt1.dds
convert base.png -alpha set -define dds:compression=dxt5 -define dds:mipmaps=0 dxt5.dds
convert base.png base.hdr
convert base.png base.pfm

edit rectangle -fill '#c8c820' -draw 'rectangle 150,10 189,34'
edit hue-region \( -clone 0 -crop 30x20+55+80 -modulate 100,100,140 \) -geometry +55+80 -compose Copy -composite
edit copied-patch \( -clone 0 -crop 60x60+40+60 \) -geometry +150+20 -compose Copy -composite
edit three-pixels -fill magenta -draw 'point 3,3 point 120,80 point 239,159'
edit cropped -crop 224x152+16+8

declare -A pixels psnr
for name in rectangle hue-region copied-patch three-pixels; do
  pixels[$name]=$(score AE "$name")
  psnr[$name]=$(score PSNR "$name")
done
cat >TRUTH.json <<JSON
{
 "size": [240, 160],
 "edits of base.png (changed pixels = ImageMagick AE)": {
  "edit-rectangle.png": {"changed_pixels": ${pixels[rectangle]}, "box": [150, 10, 190, 35], "what": "opaque rectangle 40x25", "psnr": ${psnr[rectangle]}},
  "edit-hue-region.png": {"changed_pixels": ${pixels[hue-region]}, "box": [55, 80, 85, 100], "what": "hue turned inside 30x20", "psnr": ${psnr[hue-region]}},
  "edit-copied-patch.png": {"changed_pixels": ${pixels[copied-patch]}, "box": [150, 20, 210, 80], "what": "60x60 patch from (40,60) pasted at (150,20)", "psnr": ${psnr[copied-patch]}},
  "edit-three-pixels.png": {"changed_pixels": ${pixels[three-pixels]}, "pixels": [[3, 3], [120, 80], [239, 159]], "psnr": ${psnr[three-pixels]}},
  "edit-cropped.png": {"crop": {"x": 16, "y": 8, "w": 224, "h": 152}, "what": "an aligned comparison finds offset (16,8) and no changed pixel inside the overlap"}
 },
 "lossless siblings (same 8-bit pixels as base.png)": ["interlaced.png", "base.tif", "lzw.tif", "tiled.tif", "base.bmp", "lossless.webp", "base.tga", "rle.tga"],
 "other": {
  "base16.png, zip16.tif": "16 bits a channel",
  "float32.tif": "32-bit float, no compression",
  "base.pfm, base.hdr": "float / RGBE",
  "gray8.png": "one channel",
  "base.gif": "64 colours",
  "anim.gif": "3 frames, 10/100 s each",
  "cmyk.jpg": "CMYK JPEG",
  "progressive.jpg": "progressive",
  "dxt1.dds, dxt5.dds": "BC1, BC3",
  "alpha.png": "straight alpha, radial"
 }
}
JSON
