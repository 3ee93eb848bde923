// Package powercut is a disk that remembers every write and every flush, in their order. A real file system is put on
// it and used by real programs; afterwards the disk can be had as it was at any moment, to mount that and look. It is
// Linux only, needs root, and is support for tests.
//
// A Disk is a loop device over a file that this process serves by FUSE, so nothing but the kernel's own code lies
// between the file system and the log. It promises: Replay.Cut(n, nil) has just the writes that had reached the disk
// when Events was n. Writes that no flush followed lie in the cache of a real disk: keep says which of them it loses.
//
// The process that serves a Disk must not map files that lie on it: a page fault would stop the thread that has to
// answer it. Images are looked at with MountImage, which serves nothing.
package powercut
