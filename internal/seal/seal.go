// Package seal compresses, transforms, encrypts and authenticates one object, and opens it again; it
// also holds the keys.
//
// It promises: what opens is exactly what was sealed, under the same vault, kind and id; anything else is
// [ErrDamaged], never other bytes and never a panic. What an [Encoder] or a [Window] returns has been decoded
// and compared. No length read from outside is allocated before it is bounded. Equal inputs sealed twice
// give different bytes.
//
// All integers are little-endian unless said otherwise; uvarint is the base-128 varint of
// encoding/binary, zig-zag maps a signed x to (x<<1) ^ (x>>63). ‖ joins bytes; strings in quotes are ASCII without terminator.
//
// # Keys
//
// Hash is SHA-256 in every HKDF (RFC 5869). From the 32-byte master key and the 16-byte vault id:
//
//	prk    = HKDF-Extract(salt = vault id, secret = master)
//	ids    = HKDF-Expand(prk, "varve/1 ids", 32)       key of the digests
//	gear   = HKDF-Expand(prk, "varve/1 gear", 32)      seed of the chunker's table
//	index  = HKDF-Expand(prk, "varve/1 index", 32)     root of sealed index segments
//	meta   = HKDF-Expand(prk, "varve/1 metadata", 32)  root of all other sealed objects
//	packs  = HKDF-Expand(prk, "varve/1 packs", 32)     root of streams
//
// Reserved: "varve/1 x25519" gives the private key of the vault's X25519 key pair. A client that holds
// ids, gear, index and the public key alone makes a stream's root by agreement with that key instead
// of packs: root = HKDF(secret = shared secret, salt = ephemeral public key ‖ vault public key,
// "varve/1 write-only"). The holder of a stream's salt therefore keeps, beside it and inside the associated
// data, one byte: 0 = root is packs, 1 = the 32-byte ephemeral public key follows. Only 0 is defined today;
// everything below the root is the same for both.
//
// # Key slot
//
// A [Slot] is JSON; byte strings are standard base64. "stored" keeps the master in the clear, "passphrase" and
// "recovery" wrap it:
//
//	{"kind":"stored","created":TIME,"master":B32,"sum":B16,"mac":B16}
//	{"kind":"passphrase","created":TIME,"label":TEXT,"argon2id":{"time":T,"memory_kib":M,"threads":P,"salt":B32},
//	 "commitment":B32,"sealed":B48,"sum":B16,"mac":B16}
//	{"kind":"recovery","created":TIME,"label":TEXT,"salt":B32,"commitment":B32,"sealed":B48,"sum":B16,"mac":B16}
//
//	bind       = "varve/1 slot " ‖ kind ‖ 0 ‖ created ‖ u32 T ‖ u32 M ‖ u32 P ‖ salt ‖ label
//	             (no argon2id: T = M = P = 0; stored: no salt)
//	okm        = Argon2id(passphrase, salt, T, M KiB, P, 64 bytes, version 0x13), or
//	             HKDF(secret = recovery key, salt, "varve/1 recovery", 64)
//	wrap       = okm[0:32]         commitment = okm[32:64]
//	sealed     = AES-256-GCM(wrap, nonce = 12 zero bytes, master, associated data = bind)
//	text       = bind ‖ master of a stored slot ‖ commitment ‖ sealed, fields absent are empty
//	sum        = first 16 bytes of SHA-256(text)
//	mac        = first 16 bytes of HMAC-SHA256(HKDF(secret = master, no salt, "varve/1 slots", 32), text)
//
// The sum finds rot before the master is known; the mac says that a holder of the master made the slot.
// 1 ≤ T ≤ 64, 8·P ≤ M ≤ 4 GiB, 1 ≤ P ≤ 64. TIME is "2026-11-21T12:00:00Z", a label at most 200 bytes.
//
// # Recovery key
//
// 32 random bytes ([Recovery]); as text two halves of 28 symbols of 5 bits, the highest first: 16 bytes of the
// key ‖ 12 bits of check, the first of SHA-256("varve/1 recovery key " ‖ "1" or "2" ‖ those 16 bytes).
//
// # Sealed object
//
// A manifest, a session, an index segment and the like ([Keys.Seal]):
//
//	0   4  magic "vrvo"
//	4   1  version, 1
//	5   1  kind
//	6   2  zero
//	8  32  salt, random
//	40 32  commitment
//	72  n  AES-256-GCM ciphertext of the body
//	   16  tag
//
//	okm  = HKDF(secret = index or meta, salt, "varve/1 object", 64);  key = okm[0:32], commitment = okm[32:64]
//	nonce = 12 zero bytes (a key seals once)
//	associated data = vault id ‖ kind ‖ object id ‖ bytes 0 to 71
//	body = u8 codec (0 raw, 1 one zstd frame) ‖ u32 plain length ‖ stored bytes
//
// # Stream
//
// The body of a pack ([Stream]): the plaintext in segments of 1<<log bytes, the last one shorter or equal; an
// empty stream has one empty segment. Each is AES-256-GCM ciphertext ‖ 16-byte tag, end to end.
//
//	okm   = HKDF(secret = packs, salt, "varve/1 stream", 64);  key = okm[0:32], commitment = okm[32:64]
//	nonce = 7 zero bytes ‖ segment number, u32 big-endian ‖ u8 (1 for the last segment, else 0)
//	associated data of every segment = vault id ‖ u8 log ‖ the caller's header bytes
//
// Salt, log and commitment are kept by the caller.
//
// # Block
//
// A block of at most 16 MiB is stored by one [Codec]; its codec, stored length and plain length are kept by
// the caller.
//
//	0 raw       the bytes
//	1 zstd      one zstd frame (RFC 8878) with its content size, without dictionary
//	2 planes    u8 p, w = p mod 16 (2 or 4), r = 17 − p div 16 (10 to 17); then plain length mod w trailing
//	            bytes as they are, then w planes in order: plane i holds bytes i, i+w, i+2w … of the rest.
//	            A plane is cut into runs of 1<<r bytes (the last one shorter); a run is u8 mode ‖ data:
//	            0 raw: the bytes
//	            1 huff0: u24 length ‖ Huffman table ‖ jump table and four streams, as in a zstd literals section
//	            2 one value: that byte
//	            3 zstd: u24 length ‖ one zstd frame, as codec 1
//	            4 sparse: u24 length ‖ u8 value ‖ pairs of u8 gap ‖ u8 byte: gap times value, then byte, which
//	            may be value as well; the rest of the run is value
//	3 stride    reserved
//	4 delta     reserved
//	5 subtract  the bytes of codec 2; what they hold are differences, and their entries carry bases
//
// # Difference
//
// One chunk as the difference of its elements from those of one base of equal length ([Difference], [Sum]):
//
//	u8 w ‖ 3 zero bytes ‖ chunk length bytes, elements of w bytes in the order of the chunk's
//
// w is 2 or 4 and divides the length. An element is the zig-zag of plain − base, in integers of 8w bits that
// wrap around.
//
// # Window delta
//
// One chunk as copies from at most 4 bases and literals ([Window], [Apply]):
//
//	payload  = uvarint length of ops ‖ ops ‖ literals
//	ops      = insert, copy, insert, copy … until the plain length is reached
//	insert   = uvarint n; the next n literals
//	copy     = uvarint (length<<2 | base) ‖ uvarint zig-zag(offset − next[base]); length ≥ 1
//
// next[base] starts at 0 and becomes offset + length after a copy; an insert of n also adds n to next of the
// base copied from last (none before the first copy). Ops and literals are used up exactly.
package seal

import "errors"

// What opening can say besides success.
var (
	// ErrDamaged says that bytes are not what was sealed: altered, cut, swapped, or under another key.
	ErrDamaged = errors.New("damaged")
	// ErrWrongKey says that a key slot is whole and the secret does not open it.
	ErrWrongKey = errors.New("wrong key")
	// ErrUnsupported says that the bytes ask for what this version does not do.
	ErrUnsupported = errors.New("unsupported")
)
