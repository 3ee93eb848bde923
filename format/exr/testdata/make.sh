#!/bin/sh
# Makes one picture in each compression, and of the lossy ones what Blender reads of them, not compressed. Blender 3.4.
set -e
cd "$(dirname "$0")"
blender -b --factory-startup -noaudio --python-exit-code 1 --python-expr '
import bpy, math, os
scene = bpy.context.scene
s = scene.render.image_settings
s.file_format = "OPEN_EXR"
scene.view_settings.view_transform = "Raw"
def save(img, name, codec, depth):
    s.exr_codec, s.color_depth, s.color_mode = codec, depth, "RGB"
    img.save_render(name + ".exr", scene=scene)
img = bpy.data.images.new("a", 13, 37, float_buffer=True)
img.colorspace_settings.name = "Non-Color"
px = []
for y in range(37):
    for x in range(13):
        px += [x / 12 + y % 3, (0.5 + 0.5 * math.sin(x * y)) ** 4 * 8, 0.25 if x < 5 else -y / 7, 1]
img.pixels.foreach_set(px)
for codec in ["NONE", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A"]:
    save(img, codec.lower(), codec, "16")
for codec in ["NONE", "PIZ", "PXR24"]:
    save(img, codec.lower() + "32", codec, "32")
b = bytearray(open("b44.exr", "rb").read()) # with R perceptually linear
at = b.index(b"R\0\1\0\0\0") + 6
b[at] = 1
open("b44-linear.exr", "wb").write(b)
for name in ["b44", "b44a", "b44-linear", "pxr2432"]:
    back = bpy.data.images.load(os.path.abspath(name + ".exr"))
    back.colorspace_settings.name = "Non-Color"
    save(back, name + "-read", "NONE", "32" if name.endswith("32") else "16")
' >/dev/null
