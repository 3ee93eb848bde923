# Documents of one opaque layer in each kind of pixel: sample c of the pixel at x, y is ((7x + 3y + 50c) mod 256) / 255.
import os
import struct

from krita import Krita
from PyQt5.QtCore import QByteArray

WIDTH, HEIGHT = 60, 2  # Krita makes a preview of 256 pixels of it: wide, that it be small


def make(args=None):
    app = Krita.instance()
    app.setBatchmode(True)
    for model, channels, depths, profile in [
        ("RGBA", 3, ["U8", "U16", "F16", "F32"], "sRGB built-in"),
        ("GRAYA", 1, ["U16", "F32"], "gray built-in"),
        ("LABA", 3, ["U8", "U16"], "Lab"),
    ]:
        for depth in depths:
            profiles = app.profiles(model, depth)
            small = [p for p in profiles if profile in p] or profiles
            doc = app.createDocument(WIDTH, HEIGHT, "d", model, depth, small[0], 72.0)
            doc.setBatchmode(True)
            layer = doc.createNode("paint", "paintlayer")
            doc.rootNode().addChildNode(layer, None)
            form, white = {"U8": ("<B", 255), "U16": ("<H", 65535), "F16": ("<e", 1), "F32": ("<f", 1)}[depth]
            data = b""
            for y in range(HEIGHT):
                for x in range(WIDTH):
                    for c in range(channels + 1):
                        v = ((7 * x + 3 * y + 50 * c) % 256) / 255 if c < channels else 1
                        data += struct.pack(form, round(v * white) if white > 1 else v)
            layer.setPixelData(QByteArray(data), 0, 0, WIDTH, HEIGHT)
            for n in doc.rootNode().childNodes():
                if n.name() != "paint":
                    n.remove()
            doc.waitForDone()
            doc.refreshProjection()
            doc.waitForDone()
            doc.saveAs(os.path.join(os.environ["OUT"], "%s-%s.kra" % (model.lower(), depth.lower())))
            doc.close()
