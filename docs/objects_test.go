package docs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

// field is a field of a JSON object. kind is string, integer, number, bool, strings (a list), map (of
// strings), part, a list of parts ("[]part"), or one of those with "?" after it: it may be null.
type field struct {
	name, kind, meaning string
	optional            bool // left out where it says nothing
}

type object struct {
	name   string // without "varve." and "/1"; a part of others where by is ""
	by     string // the verbs that print it
	rare   bool   // the session of the test cannot bring it about
	fields []field
}

func req(name, kind, meaning string) field { return field{name, kind, meaning, false} }
func opt(name, kind, meaning string) field { return field{name, kind, meaning, true} }

// objects are all objects of --json.
func objects() []object {
	path := req("path", "string", "from the project's folder, with `/`")
	raw := opt("path_bytes", "string", "the name's bytes in base64, where it is not UTF-8; `path` has U+FFFD for them")
	dry := opt("dry_run", "bool", "nothing was done")
	return append([]object{
		{name: "snapshot", by: "snap, log, show, demo", fields: []field{
			req("id", "string", "stable id, 32 hex digits"), req("version", "integer", "number in the project, from 1"), req("ref", "string", "`v` and the number"),
			req("project", "string", "id of the project"), req("name", "string", "the project's folder without those above"), req("path", "string", "the project's folder"), req("host", "string", "the machine"),
			req("parent", "string", "id of the snapshot before it; empty for the first"), req("time", "string", "when it was taken"), req("message", "string", ""), req("tags", "map", ""),
			req("milestone", "string", "the newest milestone, or empty"), req("milestones", "strings", ""), opt("reason", "string", "why varve took it by itself: `safety`"),
			req("root", "string", "digest of the tree: equal trees have equal ones"), req("files", "integer", ""), req("dirs", "integer", "folders"), req("links", "integer", "symbolic links"), req("bytes", "integer", "of all files"),
			req("new_bytes", "integer", "that the vault did not have"), req("stored_bytes", "integer", "that this took in the vault"),
			req("added", "integer", "files since the parent, as the next four"), req("modified", "integer", ""), req("removed", "integer", ""), req("renamed", "integer", ""), req("unchanged", "integer", ""),
			req("skipped_files", "integer", "entries left out by rules; what is in such a folder is not counted"), req("skipped_bytes", "integer", "of the files among them"),
			req("errors", "[]failure", "what could not be read: exit code 3"), req("seconds", "number", ""), dry}},
		{name: "status", by: "status", fields: []field{
			req("project", "string", "id"), req("path", "string", "the project's folder"), req("added", "strings", "paths, as the next four"), req("modified", "strings", ""), req("removed", "strings", ""),
			req("renamed", "[]rename", ""), req("metadata", "strings", "of which only times, permissions and the like changed"), req("vault", "vault", ""),
			req("last_snapshot", "snapshot?", ""), req("last_verified", "string?", "when `verify --data` ended well"), req("verified_since", "string?", "every byte was read and found right then or later, on this machine, but for the next"), req("unverified_bytes", "integer", "of packs not read yet"), req("same_device", "bool", "vault and project are on one disk"),
			req("copies", "[]second", "other vaults that have snapshots of this one"), req("one_copy_only", "bool", "none of them has any"),
			req("rolled_back", "bool", "the vault has lost snapshots that nobody forgot"), req("lost_snapshots", "strings", "their ids"),
			req("skipped_files", "integer", "as in snapshot"), req("skipped_bytes", "integer", ""), req("errors", "[]failure", "")}},
		{name: "version", by: "log PATH, find", fields: []field{
			req("version", "integer", "of the snapshot, as the next three"), req("ref", "string", ""), req("id", "string", ""), req("time", "string", ""), path, raw, req("bytes", "integer", "of the file"), req("sha256", "string", ""),
			req("change", "string", "`added`, `modified`, `renamed`, `removed`, `metadata`"), req("old_path", "string", "of a renamed file"), opt("old_path_bytes", "string", "as path_bytes"), req("message", "string", "of the snapshot")}},
		{name: "change", by: "diff, manifest --check; snap --dry-run", fields: []field{
			path, raw, req("old_path", "string", "of what was renamed"), opt("old_path_bytes", "string", ""), req("change", "string", "as in version"), req("kind", "string", "`file`, `dir`, `symlink` …; empty in a plan"),
			req("old", "entry?", "how it was"), req("new", "entry?", "how it is"), req("detail", "string", "for people")}},
		{name: "entry", by: "ls", fields: []field{
			path, raw, req("type", "string", "`file`, `dir`, `symlink` …"), req("mode", "string", "permissions, octal"), req("bytes", "integer", "of a folder: of all in it"), req("mtime", "string", ""), req("sha256", "string", "of a file"),
			opt("target", "string", "of a symbolic link"), req("uid", "integer", ""), req("gid", "integer", ""), opt("xattrs", "strings", "names of extended attributes"), opt("flags", "strings", "`unstable`: changed while it was read; `sparse` …")}},
		{name: "restore", by: "restore", fields: []field{
			req("version", "integer", "of the snapshot"), req("id", "string", ""), req("to", "string", "the folder of `--to`"), req("files", "integer", "of the snapshot, within the paths"), req("bytes", "integer", ""),
			req("written", "integer", "files, links and folders made or replaced"), req("unchanged", "integer", "files that were right already"), req("removed", "integer", ""),
			req("safety", "string?", "id of the snapshot of how the folder was"), req("undo", "string?", "id of the operation"), req("seconds", "number", ""), opt("plan", "[]change", "with `--dry-run`: what would be done"),
			req("warnings", "strings", ""), req("errors", "[]failure", "what could not be put back: exit code 3"), dry}},
		{name: "operation", by: "undo, redo, undo --list", fields: []field{
			req("id", "string", ""), req("verb", "string", ""), req("time", "string", ""), req("summary", "string", "for people"), req("undone", "bool", ""), dry,
			req("written", "integer", "by this undo or redo"), req("removed", "integer", ""), req("errors", "[]failure", "")}},
		{name: "verify", by: "verify", fields: []field{
			req("ok", "bool", "no finding"), req("complete", "bool", "the budget was enough for all"), req("level", "string", "`structure`, `headers` or `data`"), req("data", "bool", "every byte was read"), req("checked_objects", "integer", ""), req("checked_bytes", "integer", ""),
			req("findings", "[]finding", "any: exit code 20"), req("seconds", "number", "")}},
		{name: "repair", by: "repair, after a finding a line", fields: []field{
			req("ok", "bool", "nothing remains; else exit code 20"), req("checked_objects", "integer", ""), req("checked_bytes", "integer", ""), req("found", "integer", "findings"), req("healed", "integer", "of them"),
			req("remaining", "integer", "of them"), req("stored_objects", "integer", "stored again"), req("quarantined", "integer", "packs set aside"), req("seconds", "number", ""),
			req("brought_back", "integer", "snapshots that were gone, from a second copy"), dry}},
		{name: "copy", by: "copy", fields: []field{
			req("to", "string", "the other vault"), req("vault", "string", "its id; empty in a dry run where it is not there"), req("made", "bool", "it is new"), req("copied", "[]copied", "snapshots; ids and numbers are those of this vault"),
			req("present", "integer", "snapshots that were there"), req("chunks", "integer", "that were new there"), req("stored_bytes", "integer", "that they took"), req("records", "integer", "milestones, tags, holds, settings"),
			req("failed", "[]uncopied", "any: exit code 20"), req("seconds", "number", ""), dry}},
		{name: "finding", by: "repair, and within verify", fields: []field{
			req("kind", "string", "`missing`, `damaged` …"), req("object", "string", "its name in the vault, or its digest"), req("path", "string", "a file that it hits"), raw, req("paths", "strings", "files that it hits"),
			req("snapshots", "strings", "they are in, as `project@v1`"), req("detail", "string", "for people"), req("repair", "string", "what helps; of `repair`: what was done"), opt("healed", "bool", "of `repair`: nothing of it remains")}},
		{name: "manifest", by: "manifest", fields: []field{
			req("version", "integer", ""), req("id", "string", ""), req("time", "string", ""), req("files", "{}digest", "by path")}},
		{name: "milestone", by: "milestone", fields: []field{
			req("name", "string", ""), req("type", "string", "one of those of `milestone add`"), req("version", "integer", "of the snapshot"), req("id", "string", "of the snapshot"), req("annotations", "map", "notes"), req("tags", "strings", ""),
			req("time", "string", "when it was named"), req("checklist", "[]check", "empty for now"), dry}},
		{name: "tag", by: "tag", fields: []field{req("version", "integer", ""), req("id", "string", ""), req("tags", "map", "of that snapshot"), dry}},
		{name: "hold", by: "hold", fields: []field{req("version", "integer", ""), req("id", "string", ""), req("held", "bool", ""), req("reason", "string", ""), dry}},
		{name: "keep", by: "keep", fields: []field{
			req("policy", "string", "as flags; empty: all stay"), req("kept", "integer", "snapshots that stay"), req("forgotten", "[]forgotten", "those that do not"), req("snapshots", "[]kept", "all, in the order of their arrival"), req("applied", "bool", "they were forgotten now"), dry}},
		{name: "forget", by: "forget", fields: []field{req("forgotten", "[]forgotten", ""), dry}},
		{name: "gc", by: "gc", fields: []field{
			req("packs_deleted", "integer", ""), req("bytes_freed", "integer", "of packs deleted, less those written"), req("snapshots_deleted", "integer", "forgotten ones that cannot be brought back now"),
			req("packs_rewritten", "integer", "of the deleted, those whose needed objects were copied first"), req("bytes_written", "integer", ""), req("packs_kept", "integer", ""),
			req("packs_waiting", "integer", "condemned ones that a store without create-if-absent keeps for a week"), dry, req("seconds", "number", "")}},
		{name: "stats", by: "stats", fields: []field{
			req("projects", "integer", ""), req("snapshots", "integer", ""), req("chunks", "integer", "in the vault"), req("packs", "integer", ""), req("logical_bytes", "integer", "of all versions of all files"),
			req("unique_bytes", "integer", "after deduplication"), req("stored_bytes", "integer", "after compression"), req("dedup_ratio", "number", "logical by unique"), req("compression_ratio", "number", "unique by stored")}},
		{name: "setting", by: "config", fields: []field{req("name", "string", ""), req("value", "string", ""), req("default", "string", ""), req("help", "string", "")}},
		{name: "rule", by: "ignore, ignore presets", fields: []field{
			req("pattern", "string", ""), req("source", "string", "the file it stands in, `settings`, or `preset:NAME`"), req("line", "integer", ""), req("reason", "string", "of a preset"), req("dead", "bool", "it can match nothing")}},
		{name: "verdict", by: "ignore --explain", fields: []field{path, raw, req("ignored", "bool", ""), req("at", "string", "the file, or the folder above it, that the rule matches"), req("rule", "rule?", "the one that decides")}},
		{name: "vault", by: "init", fields: []field{
			req("id", "string", ""), req("path", "string", ""), req("created", "string", ""), req("key_stored", "bool", "the key lies with the data"), req("key", "string", "the kind of key that it was opened with, as in key"),
			req("keys", "integer", "that open it"), req("recovery_kits", "integer", "of those"), req("exclusive", "bool", "one program at a time"), req("reduced_safety", "string", "why the vault is less safe than others; empty if it is not"), opt("made", "bool", "it is new")}},
		{name: "key", by: "key ls, key add, key rm, key protect", fields: []field{
			req("id", "string", ""), req("kind", "string", "`stored`, `passphrase`, `recovery`; empty where it is damaged"), req("label", "string", ""), req("created", "string", ""),
			req("used", "bool", "the vault was opened with it"), req("error", "string", "why it opens nothing, or empty"), req("change", "string", "`added`, `removed`, or empty"), dry}},
		{name: "kit", by: "key kit", fields: []field{
			req("id", "string", "of the key; empty with `--dry-run`"), req("vault", "string", "id of the vault"), req("files", "strings", "the text, the picture"), dry}},
		{name: "remembered", by: "key remember, key forget, key protect --remember", fields: []field{
			req("vault", "string", "id of the vault"), req("remembered", "bool", "from now on"), req("place", "string", "`keyring`, or a file"), dry}},
		{name: "doctor", by: "doctor", fields: []field{req("ok", "bool", ""), req("checks", "[]complaint", "")}},
		{name: "element", by: "element ls, and within graft", fields: []field{
			req("id", "string", "in this file"), req("stable_id", "string", "the same in all versions of the file; empty where its format gives none"), req("parent", "string", "id of the element that it is in"), req("kind", "string", "`layer`, `group`, `object`, `material` …"), req("name", "string", ""),
			req("bytes", "integer", "that it takes in the file"), req("hash", "string", "of its kind, properties and aspects"), req("bounds", "numbers?", "x0 y0 x1 y1, or x0 y0 z0 x1 y1 z1"), req("properties", "map", "what the application shows of it"), req("aspects", "map", "hashes of its content, by what it is")}},
		{name: "extract", by: "element extract", fields: []field{req("id", "string", ""), req("kind", "string", ""), req("name", "string", ""), req("output", "string", ""), req("bytes", "integer", "")}},
		{name: "graft", by: "element graft", fields: []field{
			req("into", "string", ""), req("from", "string", ""), req("output", "string", "the file that was written"), req("bytes", "integer", "of it"), req("elements", "[]element", "of the old version"), req("changed", "strings", "ids of elements that differ for the format's own reasons"),
			req("stale", "strings", "what the file says of itself and is not true until its application saves it"), req("notes", "strings", ""), req("needs", "[]need", "files that the elements refer to and that are gone"), req("changes", "[]alteration", "what differs in the file"),
			req("safety", "string?", "as in restore"), req("undo", "string?", "as in restore"), dry}},
		{name: "moment", by: "timeline", fields: []field{
			req("version", "integer", "as in version, with the next ten"), req("ref", "string", ""), req("id", "string", ""), req("time", "string", ""), path, raw, req("bytes", "integer", ""), req("sha256", "string", ""), req("change", "string", ""), req("old_path", "string", ""), opt("old_path_bytes", "string", ""), req("message", "string", ""),
			req("listed", "bool", "what is inside is known"), req("suspect", "string", "why the file seems not to be whole"), req("elements", "[]alteration", "against the version before"), opt("thumb", "picture", "with --thumbs")}},
		{name: "thumb", by: "thumb", fields: []field{req("file", "string", ""), req("output", "string", ""), req("width", "integer", ""), req("height", "integer", ""), req("source", "string", "`embedded`, `composited`, `rendered`, `card`"), req("note", "string", "what it does not show")}},
		{name: "visual", by: "visual", fields: append([]field{
			req("a", "string", ""), req("b", "string", ""), req("kind", "string", "`image`, `model`, `elements`, `bytes`: what was compared"), req("identical", "bool", "nothing that is shown differs"), req("bytes_identical", "bool", ""), req("notes", "strings", ""), req("elements", "[]alteration", ""), opt("output", "string", "")},
			slices.Concat(imageFields(), modelFields(), tensorFields())...)},
		{name: "reference", by: "refs ls, refs missing", fields: []field{
			req("from", "string", "the file that refers"), req("to", "string", "the path that it means; empty where that is not in the project"), req("raw", "string", "as it stands there"), req("kind", "string", ""), req("status", "string", "`ok`, `case`, `missing`, `outside`, `url`, `unnamed`"), req("style", "string", "`relative`, `rooted`, `absolute`, `url`, `named`"), req("element", "string", "id of the element that has it")}},
		{name: "reference_file", by: "refs orphans, uses, needs, cycles, duplicates", fields: []field{
			path, req("bytes", "integer", ""), req("sha256", "string", ""), req("format", "string", ""), opt("group", "integer", "the same for files of one content, or one cycle")}},
		{name: "relink", by: "refs relink", fields: []field{
			req("from", "string", ""), req("raw", "string", ""), req("old", "string", ""), req("new", "string", "where the file is now"), req("new_raw", "string", ""), req("sure", "bool", "it has the very content"), req("by", "string", "what it has in common with the file that is gone: content, name, look"), req("done", "bool", ""), opt("reason", "string", "why not")}},
		{name: "workspace", by: "workspace capture, workspace ls", fields: []field{
			req("app", "string", ""), req("app_version", "string", ""), req("files", "integer", ""), req("bytes", "integer", ""), req("redacted", "[]redaction", "files that had secrets"), req("left_out", "[]omission", ""), req("state", "string", "id of the snapshot of it"), req("version", "integer", "of that"), req("of", "string", "id of the project's snapshot"), req("time", "string", ""), dry}},
		{name: "workspace_app", by: "workspace apps", fields: []field{req("app", "string", ""), req("name", "string", ""), req("found", "[]place", ""), req("groups", "[]group", ""), req("verified", "[]proof", "who saw it work")}},
		{name: "workspace_restore", by: "workspace restore", fields: []field{
			req("app", "string", ""), req("state", "string", ""), req("safety", "string", "id of the state that was there; empty in a dry run"), req("steps", "[]step", ""), req("warnings", "strings", ""), dry}},
		{name: "format", by: "formats", fields: []field{req("name", "string", ""), req("title", "string", ""), req("extensions", "strings", ""), req("can", "strings", "what works"), req("not", "string", "what does not")}},
		{name: "program", by: "version", fields: []field{req("version", "string", ""), req("go", "string", ""), req("system", "string", "")}},
		{name: "error", by: "every verb that fails", fields: []field{req("code", "string", "the word of the [exit code](#exit-codes)"), req("message", "string", ""), req("hint", "string", "what to type next, or empty"), req("exit", "integer", "the exit code")}},
		{name: "progress", by: "snap, restore, verify, repair, copy with --verbose, at most one a second", rare: true, fields: []field{
			req("verb", "string", ""), req("files", "integer", "looked at"), req("bytes", "integer", "looked at"), req("read_bytes", "integer", "read because they may be new"), req("total_files", "integer", "of the last snapshot"), req("total_bytes", "integer", ""),
			req("stored_bytes", "integer", ""), req("errors", "integer", ""), req("seconds", "number", "")}},
		{name: "failure", fields: []field{req("path", "string", ""), raw, req("error", "string", "")}},
		{name: "rename", fields: []field{req("path", "string", ""), req("old_path", "string", "")}},
		{name: "digest", fields: []field{req("sha256", "string", ""), req("size", "integer", ""), req("modified", "string", ""), opt("path_bytes", "string", "")}},
		{name: "forgotten", fields: []field{req("id", "string", ""), req("version", "integer", ""), req("time", "string", "")}},
		{name: "kept", fields: []field{req("id", "string", ""), req("version", "integer", ""), req("kept", "bool", ""), req("why", "string", "the rules that keep it")}},
		{name: "second", fields: []field{req("vault", "string", "its id"), req("path", "string", "where it was"), req("time", "string", "of the last copy"), req("snapshots", "integer", "that both have"), req("behind", "integer", "that people took and it lacks"),
			req("old", "bool", "it lacks some, and the last copy was more than a week ago"), req("same_device", "bool", "it is on one disk with the vault")}},
		{name: "copied", fields: []field{req("id", "string", ""), req("project", "string", ""), req("version", "integer", "")}},
		{name: "uncopied", rare: true, fields: []field{req("id", "string", ""), req("project", "string", ""), req("version", "integer", ""), req("error", "string", "")}},
		{name: "check", rare: true, fields: []field{req("text", "string", ""), req("done", "bool", "")}},
		{name: "need", fields: []field{req("path", "string", ""), req("raw", "string", ""), req("available", "bool", "the old version's snapshot has it"), req("restored", "bool", "")}},
		{name: "alteration", fields: []field{
			req("change", "string", "`added`, `removed`, `changed`, `renamed`, `moved`"), req("id", "string", "of the element"), req("stable_id", "string", ""), req("kind", "string", ""), req("name", "string", ""), opt("old_name", "string", ""),
			req("aspects", "strings", "of its content that differ"), req("properties", "strings", "that differ"), req("moved", "bool", "it stands elsewhere")}},
		{name: "alignment", fields: []field{req("kind", "string", ""), req("orientation", "integer", ""), req("dx", "integer", ""), req("dy", "integer", ""), req("scale", "number", ""), req("confidence", "number", "0 to 1")}},
		{name: "region", fields: []field{req("x", "integer", ""), req("y", "integer", ""), req("width", "integer", ""), req("height", "integer", ""), req("pixels", "integer", "that changed")}},
		{name: "channel", fields: []field{req("name", "string", ""), req("changed", "integer", ""), req("max", "number", ""), req("mean", "number", "")}},
		{name: "delta", fields: []field{req("mean", "number", ""), req("p95", "number", ""), req("max", "number", ""), req("pixels", "integer", "of which it was computed"), req("sampled", "bool", "")}},
		{name: "profiles", fields: []field{req("old", "string", ""), req("new", "string", ""), req("changed", "bool", ""), req("same_meaning", "bool", "")}},
		{name: "picture", fields: []field{req("output", "string", ""), req("width", "integer", ""), req("height", "integer", ""), req("source", "string", "as in thumb"), req("note", "string", "")}},
		{name: "measures", fields: []field{
			req("vertices", "integer", "as the file has them"), req("points", "integer", "of different place"), req("faces", "integer", ""), req("triangles", "integer", ""), req("islands", "integer", ""), req("area", "number", ""), req("volume", "number?", "null where there is no inside"), req("bounds", "numbers?", ""),
			req("closed", "bool", ""), req("boundary_edges", "integer", ""), req("non_manifold_edges", "integer", ""), req("degenerate_faces", "integer", "")}},
		{name: "meshed", fields: []field{
			req("name", "string", ""), req("verdict", "string", "`added`, `removed`, `changed`, `moved`, `attributes`, `material`, `renamed`, `same`"), req("renamed", "bool", ""), req("moved", "move?", ""), req("attributes", "strings", ""), req("exact", "bool", "vertices have their counterparts"),
			req("hausdorff", "number", ""), req("mean_distance", "number", ""), req("p95_distance", "number", ""), req("changed_vertices", "integer", ""), req("note", "string", "")}},
		{name: "move", rare: true, fields: []field{req("translation", "numbers", ""), req("axis", "numbers", "of the rotation"), req("angle", "number", "radians"), req("scale", "numbers", "")}},
		{name: "redaction", rare: true, fields: []field{req("path", "string", ""), req("places", "integer", "0: the whole file was left out")}},
		{name: "omission", rare: true, fields: []field{req("path", "string", ""), req("reason", "string", "")}},
		{name: "place", fields: []field{req("root", "string", ""), req("version", "string", ""), req("path", "string", "")}},
		{name: "group", fields: []field{req("name", "string", ""), req("optional", "bool", "only if asked for")}},
		{name: "proof", fields: []field{req("os", "string", ""), req("version", "string", ""), req("date", "string", ""), req("what", "string", "")}},
		{name: "step", fields: []field{req("path", "string", ""), req("change", "string", "`added`, `modified`, `unchanged`"), req("lacks", "integer", "secrets that are not on the machine")}},
		{name: "complaint", fields: []field{req("name", "string", ""), req("state", "string", "`ok`, `advice`, `wrong`"), req("text", "string", ""), req("advice", "string", "")}},
	}, experimentObjects()...)
}

// imageFields are those of a visual of pictures, modelFields of models.
func imageFields() []field {
	return []field{
		opt("verdict", "string", "of pictures, as all down to `profile`"), opt("width", "integer", "of the part that both have"), opt("height", "integer", ""), opt("depth", "string", ""), opt("colour_model", "string", ""), opt("alignment", "alignment", "how they were laid on one another"),
		opt("outside_old", "integer", "pixels that only the old one has"), opt("outside_new", "integer", ""), opt("changed_pixels", "integer", ""), opt("changed_percent", "number", ""), opt("colour_pixels", "integer", "of the changed, those of other colour"), opt("alpha_only_pixels", "integer", "the others"), opt("hidden_pixels", "integer", "transparent in both, of other colour"),
		opt("non_finite_pixels", "integer", ""), opt("visible_pixels", "integer", "as pixelmatch counts"), opt("anti_aliased_pixels", "integer", ""), opt("regions", "[]region", "the largest first"), opt("region_count", "integer", ""), opt("channels", "[]channel", ""), opt("psnr", "number?", "dB; null where infinite"), opt("ssim", "number", ""), opt("delta_e", "delta", "CIEDE2000"), opt("flip", "number", "mean"), opt("profile", "profiles", "")}
}

func modelFields() []field {
	return []field{
		opt("old", "measures", "of models, as all down to `objects`"), opt("new", "measures", ""), opt("moved_only", "bool", "the shapes are equal"), opt("hausdorff", "number", ""), opt("mean_distance", "number", ""), opt("p95_distance", "number", ""), opt("objects", "[]meshed", "")}
}

// describe writes the tables for reference.md.
func describe(w *strings.Builder) {
	w.WriteString("## JSON objects\n\n`--json` prints JSON Lines: one object a line, the first field of each its schema, `varve.NAME/1`. Sizes are bytes, times RFC 3339 with\n" +
		"zone, digests and ids lower-case hex, durations seconds. New fields may come; those that are here stay.\n\n")
	kinds := strings.NewReplacer("?", ", or null")
	for _, o := range objects() {
		if o.by != "" {
			fmt.Fprintf(w, "### varve.%s/1\n\nPrinted by: %s.\n\n", o.name, o.by)
		} else {
			fmt.Fprintf(w, "### Part: %s\n\n", o.name)
		}
		w.WriteString("| field | kind | |\n|---|---|---|\n")
		for _, f := range o.fields {
			kind := f.kind
			switch {
			case kind == "strings":
				kind = "list of strings"
			case strings.HasPrefix(kind, "numbers"):
				kind = "list of " + kind
			case kind == "map":
				kind = "strings by name"
			case strings.HasPrefix(kind, "[]"):
				kind = "list of " + kind[2:]
			case strings.HasPrefix(kind, "{}"):
				kind = kind[2:] + " by name"
			}
			note := ""
			if f.optional {
				note = "*may be absent* "
			}
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", f.name, kinds.Replace(kind), strings.TrimSpace(note+f.meaning))
		}
		w.WriteString("\n")
	}
}

// checker holds objects against the tables and remembers what it saw.
type checker struct {
	t     *testing.T
	known map[string]object
	seen  map[string]bool // object, or object.field
}

func newChecker(t *testing.T) *checker {
	c := &checker{t, map[string]object{}, map[string]bool{}}
	for _, o := range objects() {
		c.known[o.name] = o
	}
	return c
}

// object checks one. part is what it is within another; there it may have no schema.
func (c *checker) object(got map[string]any, part string) {
	c.t.Helper()
	name := part
	schema, has := got["schema"].(string)
	if part == "" || has {
		name = strings.TrimSuffix(strings.TrimPrefix(schema, "varve."), "/1")
	}
	o, ok := c.known[name]
	if !ok || part != "" && name != part {
		c.t.Errorf("object %q, want %q: not in the table", schema, part)
		return
	}
	c.seen[name] = true
	fields := map[string]bool{"schema": true}
	for _, f := range o.fields {
		fields[f.name] = true
		v, ok := got[f.name]
		if !ok {
			if !f.optional {
				c.t.Errorf("%s has no %q", name, f.name)
			}
			continue
		}
		c.seen[name+"."+f.name] = true
		c.value(name+"."+f.name, f.kind, v)
	}
	for f := range got {
		if !fields[f] {
			c.t.Errorf("%s has a field %q that the table lacks", name, f)
		}
	}
}

func (c *checker) value(where, kind string, v any) {
	c.t.Helper()
	if k, nullable := strings.CutSuffix(kind, "?"); nullable {
		if v == nil {
			return
		}
		kind = k
	}
	right := kind == "any"
	switch x := v.(type) {
	case string:
		right = right || kind == "string"
	case bool:
		right = right || kind == "bool"
	case float64:
		right = right || kind == "number" || kind == "integer" && x == float64(int64(x))
	case []any:
		if right {
			return
		}
		part, parts := strings.CutPrefix(kind, "[]")
		right = parts || kind == "strings" || strings.HasPrefix(kind, "numbers")
		for _, e := range x {
			switch e := e.(type) {
			case string:
				right = right && kind == "strings"
			case float64:
				right = right && strings.HasPrefix(kind, "numbers")
			case nil:
				right = right && kind == nullable
			case map[string]any:
				right = right && parts
				c.object(e, part)
			default:
				right = false
			}
		}
	case map[string]any:
		if right {
			return
		}
		if kind == nullables {
			for k, e := range x {
				if _, ok := e.(float64); !ok && e != nil {
					c.t.Errorf("%s: %q is %v", where, k, e)
				}
			}
			return
		}
		part, parts := strings.CutPrefix(kind, "{}")
		right = parts || kind == "map" || c.known[kind].name != ""
		for k, e := range x {
			if s, ok := e.(map[string]any); parts && ok {
				c.object(s, part)
			} else if _, ok := e.(string); parts || kind == "map" && !ok {
				c.t.Errorf("%s: %q is %v", where, k, e)
			}
		}
		if !parts && kind != "map" {
			c.object(x, kind)
		}
	}
	if !right {
		c.t.Errorf("%s is %v (%T), want %s", where, v, v, kind)
	}
}

// unseen complains of what the table has and the session never showed: it could be an invention. Names that
// are not UTF-8, and attributes, are not possible on every system.
func (c *checker) unseen(goos string) {
	var missing []string
	for name, o := range c.known {
		if o.rare {
			continue
		}
		if !c.seen[name] {
			missing = append(missing, name)
			continue
		}
		for _, f := range o.fields {
			if strings.HasSuffix(f.name, "path_bytes") || f.name == "xattrs" || f.name == "flags" || f.name == "sets" || goos == "windows" && f.name == "target" {
				continue
			}
			if !c.seen[name+"."+f.name] {
				missing = append(missing, name+"."+f.name)
			}
		}
	}
	sort.Strings(missing)
	if len(missing) > 0 {
		c.t.Errorf("in the tables, but never seen: %s", strings.Join(missing, ", "))
	}
}

// inside looks into files: a drawing, a picture, a model, and the settings of an application.
func inside(b *book, step func(int, ...string), write func(name, text string)) {
	const head = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape">`
	drawing := head + `<g id="boat" inkscape:label="Boat"><rect id="hull" width="9" height="3" fill="#742"/></g><image id="gull" href="tex/gull.txt"/><image id="lost" href="lost/p.pgm"/></svg>`
	write("logo.svg", drawing)
	write("tex/gull.txt", "gull\n")
	write("tex/twin.txt", "gull\n")
	write("p.pgm", "P2 4 4 9\n"+strings.Repeat("1 2 3 4\n", 4))
	write("m.obj", "o tri\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
	write("../.config/godot/editor_layouts.cfg", "[docks]\n")
	write("../config/godot/editor_layouts.cfg", "[docks]\n")
	step(0, "snap")
	write("logo.svg", head+`<g id="boat" inkscape:label="Ship"><rect id="hull" width="9" height="3" fill="#247"/></g></svg>`)
	if err := os.Remove(filepath.Join(b.home, "p", "tex", "gull.txt")); err != nil {
		b.t.Fatal(err)
	}
	write("p.pgm", "P2 4 4 9\n"+strings.Repeat("1 2 3 4\n", 3)+"9 9 9 9\n")
	write("m.obj", "o tri\nv 0 0 0\nv 1 0 0\nv 0 1 1\nf 1 2 3\n")
	step(0, "snap")
	for _, verb := range []string{"element ls logo.svg", "element extract logo.svg boat", "timeline logo.svg --thumbs ../thumbs", "element graft logo.svg --from latest~1 --element gull --dry-run", "element graft logo.svg --from latest~1 --element gull --with-needs", "undo",
		"thumb p.pgm", "visual p.pgm@latest~1 p.pgm -o d.png", "visual m.obj@latest~1 m.obj", "refs ls --at latest~1", "refs duplicates", "refs uses tex/gull.txt --at latest~1",
		"formats", "workspace apps", "workspace capture godot --dry-run", "workspace capture godot", "workspace ls", "workspace restore godot --dry-run"} {
		step(0, strings.Fields(verb)...)
	}
	write("logo.svg", drawing)
	step(0, "snap")
	step(0, "refs", "relink", "--dry-run")
}

// session runs every verb with --json and returns what they print.
func session(b *book) []map[string]any {
	var all []map[string]any
	step := func(want int, args ...string) {
		b.t.Helper()
		out, code := b.try(append(args, "--json")...)
		if code != want {
			b.t.Errorf("varve %s exits %d, want %d: %s", strings.Join(args, " "), code, want, out)
		}
		all = append(all, b.lines(out)...)
	}
	write := func(name, text string) {
		b.t.Helper()
		at := filepath.Join(b.home, "p", name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	move := func(old, to string) {
		b.t.Helper()
		if err := os.Rename(filepath.Join(b.home, "p", old), filepath.Join(b.home, "p", to)); err != nil {
			b.t.Fatal(err)
		}
	}
	var long strings.Builder // so much that its pack is the largest
	for i := range 20000 {
		fmt.Fprintln(&long, i*i%1000003)
	}
	step(10, "status")
	step(0, "init", "--dry-run")
	step(0, "init")
	write("a.txt", "one\n")
	write("sub/b.txt", long.String())
	write(".varveignore", "*.tmp\n")
	write("x.tmp", "")
	_ = os.Symlink("a.txt", filepath.Join(b.home, "p", "link")) // not on every Windows
	step(0, "snap", "--dry-run")
	step(0, "status")
	step(0, "snap", "-m", "first", "--tag", "k=v", "--milestone", "m")
	write("a.txt", "another\n")
	move("sub/b.txt", "sub/c.txt")
	step(0, "status")
	step(0, "diff")
	step(0, "snap")
	for _, verb := range []string{"log", "log sub/c.txt", "show", "ls latest -r", "find *.txt", "stats", "manifest", "config ls", "ignore", "ignore --explain x.tmp",
		"version", "doctor", "milestone ls", "tag add x=y", "tag add n --dry-run", "hold add", "hold add v1 --dry-run", "milestone add z --dry-run",
		"milestone annotate m k=v", "verify", "verify --data", "status", "restore v1 --dry-run", "restore v1", "undo --dry-run", "undo --list", "undo", "redo", "log",
		"forget v2 --dry-run", "keep --yearly 1 --dry-run", "keep --yearly 1", "keep --apply --dry-run", "keep --all", "gc --dry-run", "gc"} {
		step(0, strings.Fields(verb)...)
	}
	inside(b, step, write)
	experiments(b, func(want int, args ...string) map[string]any {
		b.t.Helper()
		step(want, args...)
		return all[len(all)-1]
	}, write)
	step(0, "copy", "--dry-run", "--to", filepath.Join(b.home, "second"))
	step(0, "copy", "--to", filepath.Join(b.home, "second"))
	step(0, "status")
	b.password = "open sesame"
	for _, verb := range []string{"key ls", "key protect --dry-run", "key protect --label l --remember", "key add --dry-run", "key kit --dry-run", "key kit -o " + filepath.Join(b.home, "kit"),
		"key remember --dry-run", "key forget", "key ls"} {
		step(0, strings.Fields(verb)...)
	}
	step(1, "show", "v99")
	step(2, "nonsense")
	damage(b)
	step(20, "verify", "--data")
	step(0, "repair", "--dry-run")
	step(3, "restore", "v1", "--to", filepath.Join(b.home, "out"))
	return all
}

// damage spoils the largest pack.
func damage(b *book) {
	var largest string
	var size int64
	err := filepath.WalkDir(b.home, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(filepath.ToSlash(p), "/vault/packs/") {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			largest, size = p, info.Size()
		}
		return err
	})
	if err != nil || largest == "" {
		b.t.Fatalf("find the largest pack: %q, %v", largest, err)
	}
	content, err := os.ReadFile(largest)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(largest, 0o644); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(largest, append(content[:200], bytes.Repeat([]byte{1}, len(content)-200)...), 0o644); err != nil {
		b.t.Fatal(err)
	}
}
