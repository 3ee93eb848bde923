#!/bin/sh
# Makes the files here with Godot 3.2.3 (godot3-server): scenes that the application itself has written, as text, binary
# and compressed binary, each in versions that differ as their names say.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
printf 'config_version=4\n' > "$work/project.godot"
printf '[gd_resource type="SpatialMaterial" format=2]\n\n[resource]\n' > "$work/paint.tres"
cat > "$work/make.gd" <<'GD'
extends SceneTree

func shape(x):
	var s = BoxShape.new()
	s.extents = Vector3(x, 1, 1)
	return s

func add(top, name, node, up = null):
	node.name = name
	(up if up else top).add_child(node)
	node.owner = top
	return node

func save(top, path, flags = 0):
	var scene = PackedScene.new()
	assert(scene.pack(top) == OK)
	assert(ResourceSaver.save(path, scene, flags) == OK)

func scene(first, size, paint):
	var top = Spatial.new()
	top.name = "Main"
	if first:
		add(top, "First", CollisionShape.new()).shape = shape(7)
	var body = add(top, "Body", StaticBody.new())
	add(top, "Shape", CollisionShape.new(), body).shape = shape(size)
	var box = add(top, "Box", CSGBox.new(), body)
	if paint:
		box.material = load("res://paint.tres")
	add(top, "Other", CollisionShape.new()).shape = shape(3)
	body.connect("input_event", top, "set_meta", [], CONNECT_PERSIST)
	return top

func _init():
	save(scene(false, 1, false), "res://base.tscn")
	save(scene(true, 1, false), "res://first.tscn")
	save(scene(false, 5, true), "res://changed.tscn")
	save(scene(true, 5, true), "res://first_changed.tscn")
	save(scene(false, 5, true), "res://changed.scn")
	save(scene(false, 5, true), "res://packed.scn", ResourceSaver.FLAG_COMPRESS)
	quit()
GD
godot3-server --path "$work" -s make.gd
cp "$work"/*.tscn "$work"/*.scn "$here"
