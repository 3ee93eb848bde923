// Package chunk cuts a stream of bytes into chunks: by content, at fixed
// distances, and at given seams. Equal content far from any edit is cut alike,
// so that it is stored once.
//
// It promises that the pieces of a stream tile it without gap or overlap, that
// they depend on nothing but its bytes, its seams, its first class and the key,
// and so neither on how it was fed (Cutter.Feed) nor on how many goroutines cut
// it (Table.Parallel). It never fails on content and keeps nothing of it.
//
// Nothing here is stored by this package, but what was stored is found again
// only if it is cut again in the same way. The rest of this text, the constants
// and the values of Class therefore belong to the format and never change.
//
// # Gear table
//
//	T[i] = little-endian uint64 at byte 8i of X, 0 <= i < 256
//	X    = first 2048 bytes of the extended output (XOF) of BLAKE3 in keyed mode,
//	       key = the 32-byte key, input = the 23 ASCII bytes "varve chunk gear table 1"
//
// # Chunks
//
// The Gear value of the place L of b, that is between b[L-1] and b[L], is over
// the 64 bytes before it,
//
//	H(L) = sum of T[b[L-1-j]] << j, 0 <= j < 64, modulo 2^64
//
// and the length of the first chunk of b is, for the class's Min, Avg and Max,
// the smallest L for which one of these holds:
//
//	Min < L <= Avg and the high log2(Avg)+3 bits of H(L) are 0
//	Avg < L        and the high log2(Avg)-3 bits of H(L) are 0
//	L = Max, or b ends at L
//
//	class    number  Min      Avg      Max
//	Whole    0       1 MiB, not by content
//	Medium   1       16 KiB   64 KiB   256 KiB
//	Large    2       128 KiB  512 KiB  2 MiB
//	Fixed    3 4 5   64 KiB, 256 KiB, 1 MiB, not by content
//	Small    6       4 KiB    16 KiB   64 KiB
//
// On random bytes the mean is 1.08 Avg. Where a class does not cut by content,
// cuts are at the multiples of its size from the start of the extent.
//
// # Streams
//
// A stream of at most 64 KiB (SoleMax) without seams is one Data piece; one of
// no bytes has none. Otherwise:
//
//  1. Seams divide the stream into extents. Those outside 0 < Off < size divide
//     nothing. What follows sees one extent at a time, as if there were no other
//     bytes.
//  2. An extent of less than 1 KiB (LiteralMax) is one Literal piece.
//  3. In a class that does not cut by content, a chunk of at least RunMin bytes,
//     all of which have period 24 (below), is a Run piece; all others are Data.
//  4. In the other classes runs are taken out first. Bytes have period 24
//     (RunPeriod) if b[i] = b[i+24] for every i for which both are among them.
//     From p on, p being first the start of the extent, the next run starts at
//     the smallest s >= p such that b[s:s+4096] (RunMin) has period 24; it ends
//     at the greatest e such that b[s:e] has. The next p is e. A run is thus as
//     long as it can be; where two overlap, by at most 23 bytes, those belong to
//     the earlier.
//  5. What is left between runs and the ends of the extent is cut into Data
//     pieces, each stretch for itself, by the rule for chunks. No minimum
//     applies to the last chunk of a stretch.
//  6. A run [s, e) is split into Run pieces at every stream offset m that is a
//     multiple of 64 KiB (RunSplit) with m-s >= 24 and e-m >= 24. Continues
//     tells when to join them again.
package chunk
