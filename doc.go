// Package varve keeps every state of a project and gives any of it back exactly.
//
// A [Vault] is where history is kept, a [Project] is a folder under care, a [Snapshot] is one kept state of
// it. Open or make a vault with [OpenOrCreate], name the folder with [Vault.Project], and call its verbs:
// [Project.Snap], [Project.Status], [Project.Diff], [Project.Restore], [Project.Undo].
//
// It promises: what a verb returned without an error has survived power loss; nothing that was kept can be
// changed by keeping more; what comes back has the digest of what was kept, or there is an error; a
// restore in place can be undone.
package varve
