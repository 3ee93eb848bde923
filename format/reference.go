package format

import "context"

// Style says from where a reference's path leads.
type Style string

const (
	Relative Style = "relative" // the folder of the file
	Rooted   Style = "rooted"   // the root of the project: res://, /Game, Assets
	Absolute Style = "absolute" // a machine: /home/…, C:\…, \\server\…
	URL      Style = "url"      // the network
	Named    Style = "named"    // nowhere: an id that another file has, as Unity's guid and Godot's uid
)

// Reference is a file's need of another.
type Reference struct {
	Kind     string // texture, library, buffer, sound, font, sequence, scene, script, …
	Raw      string // as it stands in the file
	Path     string // what it means: with slashes, decoded; of Style Named the id
	Style    Style
	Element  string // ID of the element that has it; "" for the file
	Sequence bool   // Path stands for several files: with *, ?, <UDIM> or a run of # for digits
	Optional bool   // the application does without, if it must
	Remade   bool   // nobody misses the file where it is not: the application makes it anew, or has its own
	// Off and Len are where Raw stands, in bytes of the file; Len 0 where it stands at no one place (compressed).
	Off, Len int64

	// ID is an id of a file (see Name) by which it is found first, wherever Path leads; "" where there is none.
	ID string
	// Root names what marks the folder that a Rooted path begins at, and within which ids hold: a file in the nearest
	// folder around that has one of this name: "project.godot", "ProjectSettings/ProjectVersion.txt", "*.uproject". With
	// "**/" before it, it may also be in a folder elsewhere. "" is the project's own folder, and ids hold everywhere.
	Root string
	// Endings are what Path lacks to be a file's, separated by |: ".uasset|.umap". "" where it lacks nothing.
	Endings string
}

// Referrer lists what a file needs, in the order of the file. What is packed into it, it does not need.
type Referrer interface {
	References(ctx context.Context, in Input) ([]Reference, error)
}

// Rewriter makes a file need others: paths is what each Raw is to become, in the file's own notation. Everything else
// stays byte for byte. A *Refusal where a path does not fit.
type Rewriter interface {
	Rewrite(ctx context.Context, in Input, paths map[string]string) (*Output, error)
}

// Name is an id by which other files refer to a file (Style Named).
type Name struct {
	ID     string // "" where it has none, and this one goes with it all the same
	For    string // the file that has it, relative to the folder of the one that says so; "" for that itself
	Beside string // or the file that has it, and that this one goes with, is called as this one without that at its end: ".meta"
}

// Namer lists the ids that a file says that it, or the one that it goes with, has: Unity's .meta, Godot's uid.
type Namer interface {
	Names(ctx context.Context, in Input) ([]Name, error)
}

// MaxReferences bounds the references of a file.
const MaxReferences = 1 << 20
