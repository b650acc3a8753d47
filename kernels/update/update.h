/* tinyloc: updates of the model in the field, apart from the firmware.
 *
 * A package is a file that `tinyloc package` makes: a payload (the image of a model, the constants of its input, windows
 * with the signatures that they must give, names) in MCUboot's image format, signed.  A device has two slots for packages in
 * flash.  An update goes into the slot that does not run, in order; it is verified from flash, activated by one program
 * operation, tested by its own windows at the next boot, and confirmed; or marked bad, and the other slot runs again.
 * Whenever the power fails, the old model runs or the new one.
 *
 * Freestanding C99, as tinyloc.h says; nothing here is needed to run a model, and everything here only to update one.
 * A check takes at most 2.1 KB of stack, and as long as its signature: 6 million instructions of a Cortex-M4, 19 million of
 * an M0+.
 *
 * A firmware's flow (error handling left out; `device` is constant, `booted` and `update` are in RAM):
 *
 *     static const tl_update_key keys[] = {{TL_UPDATE_ED25519, key_hash, key, tl_update_ed25519}};
 *     static const tl_update_device device = {&flash, keys, 1, tl_all_kernels, arena, sizeof arena, signatures,
 *                                             sizeof signatures / 4, {INPUTS_0, INPUTS_1}, 0, sizeof window};
 *     if (tl_update_boot(&device, &booted))                        // the watchdog runs: a model that hangs is rolled back
 *         open_built_in(&booted.model, &booted.package);          // no slot holds a model that may run
 *     tl_stream_open(&stream, &booted.model, &booted.package.scaler, booted.package.stream, heard, window, sizeof window);
 *     for (;;) {
 *         ... tl_stream_hear(&stream, ap, dbm, now_ms); answer = tl_stream_answer(&stream, now_ms); ...
 *         if (announced(&bytes, id)) {                             // by radio: its size, the first 8 bytes of its hash
 *             tl_update_begin(&update, &device, &booted, bytes, id, &from);     // from > 0: what power loss has left
 *             while (from < bytes) { n = receive(chunk, from); tl_update_write(&update, chunk, n); from += n; }
 *             if (tl_update_finish(&update) == TL_UPDATE_OK) reboot();
 *         }
 *     }
 *
 * A firmware that has a crypto library should use it: give `verify` of tl_update_key a function of five lines, and the
 * linker drops ed25519.c.  With Monocypher, which was audited, or with PSA Crypto:
 *
 *     int32_t verify(const tl_update_key *k, const uint8_t digest[32], const uint8_t *signature, uint32_t bytes)
 *     {
 *         return bytes == 64 && crypto_ed25519_check(signature, k->key, digest, 32) == 0;           // Monocypher
 *         return psa_verify_hash(id, PSA_ALG_ECDSA(PSA_ALG_SHA_256), digest, 32, rs, 64) == 0;      // PSA; rs: of the DER
 *     }
 *
 * MCUboot itself, or whatever carries its images, may take a package for one more image: its bootutil_img_validate accepts
 * it, and tl_package_open begins where the payload does.
 *
 * ---- a package, little-endian ----
 *
 * MCUboot's header, 32 bytes: magic 0x96f3b83d, load address, half-words h (bytes of the header) and p (of the protected
 * TLVs), n (bytes of the payload), flags (0x10, not bootable, and no others), version (two bytes, a half-word, a word), 0.
 * From h on the payload; then the protected TLVs, p bytes: half-words 0x6908 and p, then each a half-word type, one of its
 * bytes, and these; among them 0x50, the security counter, a word.  Then the others, likewise with 0x6907: 0x10, SHA-256 of
 * all before them; 0x01, SHA-256 of the key's SubjectPublicKeyInfo; 0x24, Ed25519 (or 0x22, ECDSA P-256 in DER) of the
 * SHA-256.  Each is there once, no other, and nothing follows.
 *
 * Payload: magic "TLPK"; version 1 | sections << 16; its bytes; TL_ABI; bytes of the arena, as the image says; two words,
 * the first 8 bytes of the SHA-256 of the inputs: half-words count and how many of them, at the end, are motion channels,
 * then each one's name in UTF-8 with a zero byte.  Then three words a section: kind | count << 16, offset in the payload (a
 * multiple of 4) and bytes; no kind twice:
 *   1 image: what tl_open takes
 *   2 scaler: half-words count, curved, hold, silent; bytes least, most, 0, 0; the curve, 256 bytes, if curved; a tl_ap each
 *     for the others; the fixes
 *   3 golden: count windows; words runs a window, bytes a run, words a signature (steps + 1); then for each window its
 *     input, padded to words, and the CRC-32 of the signatures of all its runs (tl_sign), from the initial state
 *   4 rooms, 5 inputs: count names in UTF-8, each with a zero byte, a room for each label; 5 may be missing
 *   6 stream: a tl_stream_config; then a half-word, the rows by which answers lag
 * Kinds from 128 on are skipped where they are not known; others are refused.
 *
 * A patch: magic "TLDP"; version 1; bytes of the package that it makes; two words, the first 8 bytes of its hash; two words,
 * those of the package that it is made from; then what tl_patch_write decodes (see patch.c).
 */
#ifndef TINYLOC_UPDATE_H
#define TINYLOC_UPDATE_H

#include "tinyloc.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TL_PACKAGE_VERSION 1

enum {
    TL_UPDATE_OK,
    TL_UPDATE_FLASH,     /* flash could not be read, programmed or erased */
    TL_UPDATE_SIZE,      /* larger than a slot, or too small for a package */
    TL_UPDATE_SHORT,     /* the package is cut off, or something follows it */
    TL_UPDATE_MAGIC,     /* this is no MCUboot image */
    TL_UPDATE_FORMAT,    /* its header or TLVs are malformed, or of a kind that is not supported */
    TL_UPDATE_DAMAGED,   /* its SHA-256 does not fit */
    TL_UPDATE_KEY,       /* signed with another key */
    TL_UPDATE_SIGNATURE, /* the signature is wrong */
    TL_UPDATE_OLD,       /* its security counter is less than what has run here */
    TL_UPDATE_PAYLOAD,   /* the payload is no tinyloc package, or malformed */
    TL_UPDATE_VERSION,   /* a package of another format version */
    TL_UPDATE_ABI,       /* made for other kernels */
    TL_UPDATE_INPUTS,    /* made for other access points */
    TL_UPDATE_ARENA,     /* the arena, the room for signatures or the stream's window is too small */
    TL_UPDATE_MODEL,     /* tl_open refuses the image, or tl_stream_open what belongs to it */
    TL_UPDATE_SELF_TEST, /* a window gives another signature, or a label that no room's name belongs to */
    TL_UPDATE_HANGS,     /* it was tried TL_UPDATE_ATTEMPTS times and never got through its self-test */
    TL_UPDATE_NONE,      /* no slot holds a model that may run */
    TL_UPDATE_PATCH,     /* the patch is malformed */
    TL_UPDATE_BASE,      /* the patch is for another model than the one that runs */
    TL_UPDATE_ORDER,     /* more bytes than were announced, fewer, or a call out of order */
    TL_UPDATE_GEOMETRY,  /* pages, units or slots of sizes that tl_flash does not take */
    TL_UPDATE_COUNT
};

enum {
    TL_UPDATE_ECDSA_P256 = 0x22,
    TL_UPDATE_ED25519 = 0x24,
    TL_UPDATE_ATTEMPTS = 3,  /* boots in which a new model may fail to get through its self-test */
    TL_UPDATE_MAX_UNIT = 32, /* bytes of the greatest program unit */
    TL_UPDATE_LEAST = 224    /* bytes: no package is smaller */
};

/* ---- crypto ---- */

typedef struct {
    uint32_t state[8], bytes;
    uint8_t block[64];
} tl_sha256;

/* SHA-256 of fewer than 2^32 bytes. */
void tl_sha256_start(tl_sha256 *h);
void tl_sha256_add(tl_sha256 *h, const void *data, uint32_t n);
void tl_sha256_end(tl_sha256 *h, uint8_t digest[32]);

/* 1 if `signature` is that of `message` under `key` (RFC 8032, without a cofactor, the hash modulo the order), else 0.  S
 * must be less than the order, both points in their one encoding, and the key not of small order. */
int32_t tl_ed25519_verify(const uint8_t key[32], const void *message, uint32_t message_bytes, const uint8_t signature[64]);

/* A key that packages may be signed with. */
typedef struct tl_update_key {
    uint32_t type;       /* TL_UPDATE_ED25519 or TL_UPDATE_ECDSA_P256 */
    const uint8_t *hash; /* 32 bytes: SHA-256 of its SubjectPublicKeyInfo (`imgtool getpubhash`) */
    const uint8_t *key;  /* what verify wants: 32 bytes for tl_update_ed25519 */
    /* 1 if the signature of the 32 bytes of digest is right, else 0. */
    int32_t (*verify)(const struct tl_update_key *k, const uint8_t *digest, const uint8_t *signature, uint32_t bytes);
} tl_update_key;

/* verify by tl_ed25519_verify. */
int32_t tl_update_ed25519(const tl_update_key *k, const uint8_t *digest, const uint8_t *signature, uint32_t bytes);

/* ---- a package in memory ---- */

typedef struct {
    const uint8_t *image, *golden;
    const char *rooms, *inputs; /* names one behind the other; inputs: 0 if the package has none */
    tl_scaler scaler;
    uint32_t image_bytes, arena_bytes, signature_words; /* signature_words: steps of the image, and one */
    uint32_t window_bytes; /* of the window that tl_stream_open needs: 0 for a model of one row a run */
    const tl_stream_config *stream;
    uint16_t room_count, golden_count, delay; /* delay: rows by which answers lag */
} tl_package;

/* Checks the payload, at a multiple of 4, and finds what it holds, which stays where it is.  inputs: the two words that it
 * must have.  0 or a TL_UPDATE_ code; the image is for tl_open to check. */
int32_t tl_package_open(tl_package *p, const void *payload, uint32_t bytes, const uint32_t inputs[2]);
/* Asks whether tl_stream_open takes the model, opened from p->image, and runs the golden windows on it; signatures: room for
 * `words`.  0 or a TL_UPDATE_ code; the state becomes the initial one. */
int32_t tl_package_test(const tl_package *p, const tl_model *m, uint32_t *signatures, uint32_t words);
/* The i-th of names one behind the other; there must be as many.  The self-test has seen no label without a room's name, but
 * it has not seen every input: compare one with room_count. */
const char *tl_package_name(const char *names, uint32_t i);

/* ---- flash and slots ---- */

/* Two slots, one behind the other; the last page of each has its marks.  Offsets are from the first slot's start.  Erased
 * flash reads as ones, which that of STM32L0 and L1 does not: it cannot hold slots.  A unit is programmed once after an
 * erase; one in NOR flash that takes 256 bytes at once, as an RP2040's, is 32 of them beside ones.  The functions return 0,
 * or else it did not work; a read that its error correction cannot save is one (on STM32L4 and U5: in the NMI handler). */
typedef struct tl_flash {
    void *context;
    int32_t (*read)(void *context, uint32_t at, void *to, uint32_t bytes);
    int32_t (*program)(void *context, uint32_t at, const void *from, uint32_t bytes); /* one unit */
    int32_t (*erase)(void *context, uint32_t at);                                     /* one page */
    const uint8_t *map;   /* where the processor sees the first slot: a multiple of 4 */
    uint32_t page_bytes;  /* the least that is erased at once: 256 or more, a multiple of 32 */
    uint32_t unit_bytes;  /* the least that is programmed at once: 4, 8, 16 or 32 */
    uint32_t slot_bytes;  /* a multiple of page_bytes, at least two of them */
} tl_flash;

/* What a firmware is. */
typedef struct {
    const tl_flash *flash;
    const tl_update_key *keys;
    uint32_t key_count;
    const tl_kernel *kernels;
    void *arena;
    uint32_t arena_bytes;
    uint32_t *signatures; /* scratch of the self-test: a word a step, and one */
    uint32_t signature_words;
    uint32_t inputs[2];     /* of its access points, as the payload's header has them */
    uint32_t least_counter; /* packages of a lesser security counter are refused, those that are confirmed too */
    uint32_t window_bytes;  /* of the window that it gives tl_stream_open; 0: models of one row a run alone */
} tl_update_device;

/* What a package's envelope says. */
typedef struct {
    uint32_t payload_at, payload_bytes, counter, tlv_at; /* offsets in the package; tlv_at: behind what is hashed */
    uint8_t version[8], hash[32];
} tl_envelope;

/* The model that runs. */
typedef struct {
    tl_model model;
    tl_package package;
    tl_envelope envelope;
    uint32_t slot, bytes, sequence; /* bytes of its package; how many updates the device had with it */
    int32_t valid, refused; /* valid: 1; refused: the code for which a newer one was passed over, 0 if none was */
} tl_booted;

/* An update under way. */
typedef struct {
    const tl_update_device *device;
    uint32_t slot_at, bytes, done, least_counter, id[2];
    uint8_t unit[TL_UPDATE_MAX_UNIT];
} tl_update;

/* English text of a code; an empty string for one that does not exist. */
const char *tl_update_text(int32_t code);

/* Checks a package of `bytes` at `at` of the flash: envelope, hash, signature, counter, and then all that tl_package_open
 * and the sizes of the device tell; 0 or a code.  The envelope may be read when the code is 0. */
int32_t tl_update_check(const tl_update_device *d, uint32_t at, uint32_t bytes, uint32_t least_counter, tl_envelope *e);

/* Envelope and hash alone: the package is whole, as a slot's is that has been checked before. */
int32_t tl_update_hash(const tl_update_device *d, uint32_t at, uint32_t bytes, tl_envelope *e);

/* At boot: finds the newest model that may run, opens it, and tests and confirms it if it is new.  0, or TL_UPDATE_NONE, or
 * TL_UPDATE_GEOMETRY, by which flash is not touched.
 * Its hash is computed again and its counter, inputs and sizes are compared with the device's, which may be those of a newer
 * firmware than the one that took it; its signature is not: flash was checked before it was activated, and what writes there
 * otherwise can write the firmware too.  Keys are not looked at.  A firmware that revokes one raises least_counter beyond
 * what was signed with it. */
int32_t tl_update_boot(const tl_update_device *d, tl_booted *b);
/* Begins an update of `bytes` whose hash begins with id[8], or goes on with it: *from is the first byte that is wanted.
 * running: what tl_update_boot found (valid 0: nothing).  The slot that runs is never touched. */
int32_t tl_update_begin(tl_update *u, const tl_update_device *d, const tl_booted *running, uint32_t bytes,
                        const uint8_t id[8], uint32_t *from);
/* The next n bytes. */
int32_t tl_update_write(tl_update *u, const void *data, uint32_t n);
/* After the last byte: checks what flash holds, and activates it for the next boot.  What is refused cannot be resumed. */
int32_t tl_update_finish(tl_update *u);

/* ---- patches ---- */

enum { TL_PATCH_HEADER = 28 };

/* A patch under way: 1.2 KB. */
typedef struct {
    tl_update update;
    const tl_update_device *device;
    const tl_booted *running;
    uint32_t skip, made; /* bytes of the package that flash has from before the power failed; that were made */
    uint32_t range, code, length, at, symbol, bits;
    uint8_t phase, based, filled, buffer[32]; /* the header and four bytes */
    uint16_t odds[2][256];
} tl_patch;

/* An update by a patch of what runs, in place of begin, write and finish above.  After a power failure the patch is sent
 * again from its start; what flash has is not written anew.  running is read until the end. */
void tl_patch_begin(tl_patch *p, const tl_update_device *d, const tl_booted *running);
int32_t tl_patch_write(tl_patch *p, const void *data, uint32_t n);
int32_t tl_patch_finish(tl_patch *p);

#ifdef __cplusplus
}
#endif

#endif
