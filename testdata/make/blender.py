# A table with a vase, a bowl and a book, and versions of it, in the formats that Blender writes:
#   blender -b -P blender.py -- base DIR        makes base.blend and what is exported of it
#   blender -b -P blender.py -- moved DIR       opens base.blend in a session of its own, and saves that version
#   blender -b -P blender.py -- truth DIR       opens all versions, and says what Blender finds in them
import json
import math
import os
import struct
import sys
import zlib

import bpy

D, C = bpy.data, bpy.context
WHAT, DIR = sys.argv[sys.argv.index("--") + 1:]
TURN = 25  # degrees
LIFT = 0.125
RING = 24
RADII = [0.2, 0.3, 0.36, 0.38, 0.34, 0.26, 0.18, 0.14, 0.16, 0.22]  # of the vase, from below


def at(kind, name=""):
    path = os.path.join(DIR, kind, "generated-blender", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def picture(path):
    """Writes a PNG of 64 by 64: wood."""
    rows = b""
    for y in range(64):
        rows += b"\0"
        for x in range(64):
            v = (7 * x + 5 * y) % 40
            rows += bytes([120 + v, 78 + v // 2, 40 + v // 3])
    chunks = b"\x89PNG\r\n\x1a\n"
    for name, data in (b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""):
        chunks += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    with open(path, "wb") as f:
        f.write(chunks)


def material(name, colour, roughness):
    m = D.materials.new(name)
    m.use_nodes = True
    shader = m.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = colour
    shader.inputs["Roughness"].default_value = roughness
    return m


def thing(name, mesh, collection, place, m=None):
    o = D.objects.new(name, mesh)
    collection.objects.link(o)
    o.location = place
    if m:
        mesh.materials.append(m)
    return o


def box(name, x, y, z):
    m = D.meshes.new(name)
    m.from_pydata([(i * x, j * y, k * z) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], [],
                  [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    return m


def vase():
    m = D.meshes.new("VaseMesh")
    points = [(r * math.cos(2 * math.pi * i / RING), r * math.sin(2 * math.pi * i / RING), 0.05 + 0.09 * k)
              for k, r in enumerate(RADII) for i in range(RING)]
    faces = [(k * RING + i, k * RING + (i + 1) % RING, (k + 1) * RING + (i + 1) % RING, (k + 1) * RING + i)
             for k in range(len(RADII) - 1) for i in range(RING)]
    m.from_pydata(points, [], faces)
    return m


def scene():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    s = bpy.context.scene
    s.name = "StillLife"
    props = D.collections.new("Props")
    s.collection.children.link(props)
    os.makedirs(at("blend", "textures/"), exist_ok=True)
    picture(at("blend", "textures/wood.png"))
    wood = material("Wood", (0.4, 0.22, 0.1, 1), 0.5)
    image = D.images.load(at("blend", "textures/wood.png"))
    image.filepath = "//textures/wood.png"
    node = wood.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    wood.node_tree.links.new(node.outputs["Color"], wood.node_tree.nodes["Principled BSDF"].inputs["Base Color"])
    glaze = material("Glaze", (0.1, 0.25, 0.6, 1), 0.15)
    thing("Table", box("TableMesh", 1.5, 0.9, 0.05), s.collection, (0, 0, 0), wood)
    light = D.lights.new("KeyLight", "AREA")
    light.energy = 250
    thing("Key", light, s.collection, (2, -2, 3))
    s.camera = thing("Camera", D.cameras.new("Cam"), s.collection, (0, -4, 1.6))
    s.camera.rotation_euler = (math.radians(74), 0, 0)
    thing("Vase", vase(), props, (0, 0, 0.05), glaze)
    thing("Bowl", box("BowlMesh", 0.3, 0.3, 0.12), props, (-0.8, 0.3, 0.17), wood)
    thing("Book", box("BookMesh", 0.35, 0.25, 0.04), props, (0.8, -0.3, 0.09), glaze)


def save(name, compress=False):
    bpy.ops.wm.save_as_mainfile(filepath=at("blend", name + ".blend"), compress=compress, copy=name != "base")


def glb(name):
    bpy.ops.export_scene.gltf(filepath=at("gltf", name + ".glb"), export_format="GLB", export_cameras=True, export_lights=True)


def select():
    for o in bpy.context.scene.objects:
        o.select_set(o.type == "MESH")


def shape(name):
    """Exports what is but a shape."""
    select()
    bpy.ops.export_mesh.stl(filepath=at("stl", name + ".stl"), use_selection=True)
    bpy.ops.wm.obj_export(filepath=at("obj", name + ".obj"), export_selected_objects=True, path_mode="COPY")


def base():
    scene()
    save("base")
    save("base.zstd", compress=True)
    book = D.objects["Book"]
    book.location, book.rotation_euler = (0.95, -0.45, 0.09), (0, 0, math.radians(TURN))
    save("moved.same-session")
    bpy.ops.wm.open_mainfile(filepath=at("blend", "base.blend"))
    glb("base")
    shape("base")
    bpy.ops.export_scene.gltf(filepath=at("gltf", "base.gltf"), export_format="GLTF_SEPARATE", use_selection=True)
    bpy.ops.export_mesh.ply(filepath=at("ply", "base.ply"), use_selection=True, use_uv_coords=False, use_colors=False)
    bpy.ops.wm.collada_export(filepath=at("collada", "base.dae"))
    bpy.ops.export_scene.fbx(filepath=at("fbx", "base.fbx"))


def edit(name):
    bpy.ops.wm.open_mainfile(filepath=at("blend", "base.blend"))
    if name == "moved":
        D.objects["Vase"].location = (0.35, 0.2, 0.05)
    elif name == "mesh":
        for v in D.meshes["VaseMesh"].vertices[-RING:]:
            v.co.z += LIFT
    elif name == "deleted":
        D.objects.remove(D.objects["Bowl"])
        D.meshes.remove(D.meshes["BowlMesh"])
    elif name == "material":
        shader = D.materials["Glaze"].node_tree.nodes["Principled BSDF"]
        shader.inputs["Base Color"].default_value = (0.55, 0.08, 0.12, 1)
        shader.inputs["Roughness"].default_value = 0.4
    elif name != "resaved":
        raise ValueError(name)
    save(name)
    if name in ("moved", "mesh", "material"):
        glb(name)
    if name == "mesh":
        shape(name)


def found():
    """Describes what is open."""
    r = lambda list: [round(x, 6) for x in list]
    out = {"objects": {}, "meshes": {}, "materials": {}, "images": {i.name: i.filepath for i in D.images}}
    for o in D.objects:
        out["objects"][o.name] = {"type": o.type, "data": o.data.name, "location": r(o.location), "rotation_euler": r(o.rotation_euler)}
    for m in D.meshes:
        out["meshes"][m.name] = {"vertices": len(m.vertices), "polygons": len(m.polygons), "max_z": round(max(v.co.z for v in m.vertices), 6)}
    for m in D.materials:
        shader = m.node_tree.nodes["Principled BSDF"]
        out["materials"][m.name] = {"base_color": r(shader.inputs["Base Color"].default_value), "roughness": round(shader.inputs["Roughness"].default_value, 6)}
    return out


def measured():
    """Measures the shapes of what is open: triangles, their area, and bounds."""
    n, area, points = 0, 0, []
    for o in D.objects:
        if o.type == "MESH":
            o.data.calc_loop_triangles()
            n += len(o.data.loop_triangles)
            area += sum(t.area for t in o.data.loop_triangles)
            points += [v.co + o.location for v in o.data.vertices]
    bounds = [[round(f(p[k] for p in points), 5) for k in range(3)] for f in (min, max)]
    return n, {"area": round(area, 5), "bounds": bounds}


def truth():
    files, shapes = {}, {}
    for name in sorted(os.listdir(at("blend"))):
        if name.endswith(".blend"):
            bpy.ops.wm.open_mainfile(filepath=at("blend", name))
            files[name] = found()
            triangles, shapes[name] = measured()
    first = files.pop("base.blend")
    edits = {
        "base.zstd.blend": "base saved with compression: no data-block changed",
        "resaved.blend": {"changed": [], "what": "opened and saved again without an edit"},
        "moved.blend": {"changed": ["OBVase"], "field": "loc", "old": [0, 0, 0.05], "new": [0.35, 0.2, 0.05]},
        "moved.same-session.blend": {"changed": ["OBBook"], "field": "loc, rot", "old": [0.8, -0.3, 0.09], "new": [0.95, -0.45, 0.09],
                                     "rotation_z_degrees": TURN, "what": "saved by the session that saved base.blend"},
        "mesh.blend": {"changed": ["MEVaseMesh"], "vertices": "216 to 239 (the top ring, 24 of 240)", "delta": [0, 0, LIFT], "topology": "unchanged"},
        "deleted.blend": {"removed": ["OBBowl", "MEBowlMesh"], "also touched": "the collection Props loses one entry; user counts"},
        "material.blend": {"changed": ["MAGlaze"], "fields": {"Base Color": {"old": [0.1, 0.25, 0.6, 1], "new": [0.55, 0.08, 0.12, 1]},
                                                              "Roughness": {"old": 0.15, "new": 0.4}}},
    }
    with open(at("blend", "TRUTH.json"), "w") as f:
        json.dump({"made with": "Blender " + bpy.app.version_string + " in background mode; every edit starts from base.blend in a new session, except the one named same-session",
                   "base": first, "edits": edits, "references": {"IMwood.png": "//textures/wood.png"}, "read back by Blender": files}, f, indent=1)
    with open(at("gltf", "TRUTH.json"), "w") as f:
        json.dump({"scene": "the scene of blend/generated-blender; gltf, obj, stl, ply, collada and fbx folders hold the same",
                   "stl": {"triangles": triangles, "base": shapes["base.blend"], "mesh": shapes["mesh.blend"]},
                   "edits against base": {
                       "mesh": "24 of 240 vertices of VaseMesh moved up by 0.125 (largest displacement 0.125); same topology",
                       "moved.glb": {"node": "Vase", "translation": [[0, 0.05, 0], [0.35, 0.05, -0.2]], "meshes": "unchanged"},
                       "material.glb": {"material": "Glaze", "meshes": "unchanged"}},
                   "base.glb": {"nodes": 6, "meshes": 4, "materials": 2, "accessors": 10, "images": 1}}, f, indent=1)


{"base": base, "truth": truth}.get(WHAT, lambda: edit(WHAT))()
