# A boat under a sky, and versions of it, as KRA; some of them as ORA, PSD and PNG, too, in the folder OUT. Kritarunner
# runs it, from a copy that is not named as the module of Krita that it imports.
import json
import os

from krita import InfoObject, Krita
from PyQt5.QtCore import QByteArray

WIDTH, HEIGHT = 320, 256
TILE = 64
OUT = os.environ["OUT"]


def at(kind, name):
    path = os.path.join(OUT, kind, "generated-krita", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def box(colour):
    """Returns what is of one colour (red, green, blue, alpha) everywhere."""
    return lambda x, y: colour


def sky(x, y):
    return 90, 170 - y // 4, 230 - y // 3, 255


def sail(x, y):
    """Half of a sail: its first row is empty."""
    return (245, 240, 240, 255) if 3 * x < 2 * y else (0, 0, 0, 0)


# What is painted where: left, top, width, height, and the colour of each pixel of it.
PAINT = {
    "Sky": (0, 0, WIDTH, HEIGHT, sky),
    "Hull": (100, 160, 120, 32, box((110, 60, 30, 255))),
    "Sail": (130, 60, 64, 96, sail),
    "Glow": (250, 16, 48, 48, box((255, 220, 120, 180))),
    "Notes": (10, 236, 90, 14, box((200, 0, 0, 255))),
    "Gull": (40, 50, 20, 4, box((20, 20, 20, 255))),
}


def must(ok, what):
    if not ok:
        raise RuntimeError(what)


def paint(layer, left, top, width, height, colour):
    data = bytearray()
    for y in range(height):
        for x in range(width):
            r, g, b, a = colour(x, y)
            data += bytes([b, g, r, a])
    layer.setPixelData(QByteArray(bytes(data)), left, top, width, height)
    must(bytes(layer.pixelData(left, top, width, height)) == bytes(data), "no pixels in " + layer.name())


def settle(doc):
    doc.waitForDone()
    doc.refreshProjection()
    doc.waitForDone()


def save(doc, name):
    settle(doc)
    must(doc.saveAs(at("kra", name + ".kra")), "cannot save " + name)
    doc.waitForDone()


def export(doc, kind, name):
    must(doc.exportImage(at(kind, name), InfoObject()), "cannot export " + name)
    doc.waitForDone()


def opened(name):
    doc = Krita.instance().openDocument(at("kra", name + ".kra"))
    must(doc, "cannot open " + name)
    doc.setBatchmode(True)
    doc.waitForDone()
    return doc


def added(doc, name, kind, parent):
    layer = doc.createNode(name, kind)
    must(parent.addChildNode(layer, None), "cannot add " + name)
    if name in PAINT:
        paint(layer, *PAINT[name])
    return layer


def document():
    doc = Krita.instance().createDocument(WIDTH, HEIGHT, "postcard", "RGBA", "U8", "", 150.0)
    doc.setBatchmode(True)
    root = doc.rootNode()
    first = root.childNodes()
    added(doc, "Sky", "paintlayer", root)
    boat = added(doc, "Boat", "grouplayer", root)
    for name in "Hull", "Sail":
        added(doc, name, "paintlayer", boat)
    glow = added(doc, "Glow", "paintlayer", root)
    glow.setBlendingMode("screen")
    glow.setOpacity(200)
    added(doc, "Notes", "paintlayer", root).setVisible(False)
    for layer in first:
        layer.remove()
    return doc


def stripe(doc):
    paint(doc.nodeByName("Hull"), 100, 170, 120, 6, box((220, 40, 40, 255)))


def props(doc):
    glow = doc.nodeByName("Glow")
    glow.setOpacity(128)
    glow.setBlendingMode("add")
    doc.nodeByName("Sail").setName("Main Sail")


EDITS = {
    "resaved": lambda doc: None,
    "hull-stripe": stripe,
    "props": props,
    "notes-removed": lambda doc: doc.nodeByName("Notes").remove(),
    "sail-moved": lambda doc: doc.nodeByName("Sail").move(16, -8),
    "gull-added": lambda doc: added(doc, "Gull", "paintlayer", doc.rootNode()),
}


def tiles(name):
    """How many tiles what is painted in a layer lies in."""
    if name not in PAINT:
        return 0
    left, top, width, height = PAINT[name][:4]
    across = (left + width - 1) // TILE - left // TILE + 1
    return across * ((top + height - 1) // TILE - top // TILE + 1)


def layers(node, parent=None):
    """Describes the layers below a node, from the top."""
    for n in reversed(node.childNodes()):
        yield {"name": n.name(), "uuid": n.uniqueId().toString(), "type": n.type(), "parent": parent, "tiles": tiles(n.name()),
               "opacity": n.opacity(), "blend": n.blendingMode(), "visible": n.visible()}
        yield from layers(n, n.name())


def make(args=None):
    app = Krita.instance()
    app.setBatchmode(True)
    # What is saved by the session that made it differs in small things from what was opened and saved.
    doc = document()
    save(doc, "made")
    doc.close()
    doc = opened("made")
    save(doc, "base")
    truth = list(layers(doc.rootNode()))
    doc.close()
    os.remove(at("kra", "made.kra"))
    for name, edit in EDITS.items():
        doc = opened("base")
        edit(doc)
        save(doc, name)
        doc.close()
    for name, kinds in {"base": ("ora", "psd", "png"), "hull-stripe": ("ora", "psd", "png"), "props": ("ora",), "notes-removed": ("ora",)}.items():
        for kind in kinds:
            doc = opened(name)
            export(doc, "kra" if kind == "png" else kind, name + "." + kind)
            doc.close()
    with open(at("kra", "TRUTH.json"), "w") as f:
        json.dump({
            "document": "320x256, RGBA 8 bit, 5 paint layers and one group, 33 tiles; top to bottom as listed",
            "base layers": truth,
            "edits (each opened from base.kra, saved by Krita 5.1.5; layer uuids never change)": {
                "resaved.kra": {"changed": [], "what": "opened and saved; only documentinfo.xml differs"},
                "hull-stripe.kra": {"changed": ["Hull"], "pixels": 720, "box": [100, 170, 220, 176], "tiles": "3 of 3 of that layer"},
                "props.kra": {"changed": ["Glow", "Sail"], "Glow": {"opacity": [200, 128], "blend": ["screen", "add"]}, "Sail": {"name": ["Sail", "Main Sail"]}, "tiles": 0},
                "notes-removed.kra": {"removed": ["Notes"], "what": "the file names of the other layers shift by one"},
                "sail-moved.kra": {"changed": ["Sail"], "offset": {"x": [0, 16], "y": [0, -8]}, "tiles": 0},
                "gull-added.kra": {"added": ["Gull"], "pixels": 80, "box": [40, 50, 60, 54]},
            },
            "base.png, hull-stripe.png": "the flattened pictures as Krita exports them",
            "ora/generated-krita, psd/generated-krita": "the same versions exported by Krita",
        }, f, indent=1)
