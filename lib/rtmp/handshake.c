/* handshake.c - a client that signs its C1 gets a signed answer, any other an echo.
 *
 * The signed kind is not in Adobe's specification; its layout is known from the players that ask for
 * it: C1 and S1 hold a 32 byte HMAC-SHA256 of the rest of themselves, at a place that four other bytes
 * tell (in the first or the second half: "schemes"); S2 ends with an HMAC keyed by C1's. */
#include "rtmp/handshake.h"
#include "base/text.h"

#define PART 1536
#define DIGEST SG_SHA256_BYTES

/* The public "keys" of the signed kind: a name and 32 bytes that everybody has. */
#define COMMON                                                                                     \
	"\xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57"                         \
	"\x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae"
static const char player_name[] = "Genuine Adobe Flash Player 001";
static const char server_key[] = "Genuine Adobe Flash Media Server 001" COMMON;
#define SERVER_NAME_LEN 36

static size_t digest_at(const uint8_t *part, int scheme)
{
	size_t at = scheme == 0 ? 8 : 772;

	return (size_t)(part[at] + part[at + 1] + part[at + 2] + part[at + 3]) % 728 + at + 4;
}

/* The HMAC of a part without its digest. */
static void sign(uint8_t out[DIGEST], const char *key, size_t key_len, const uint8_t *part, size_t at)
{
	uint8_t rest[PART - DIGEST];

	memcpy(rest, part, at);
	memcpy(rest + at, part + at + DIGEST, PART - DIGEST - at);
	sg_hmac_sha256(out, key, key_len, rest, sizeof(rest));
}

static bool find_digest(const uint8_t *c1, int *scheme, uint8_t digest[DIGEST])
{
	for (*scheme = 0; *scheme < 2; ++*scheme) {
		size_t at = digest_at(c1, *scheme);
		sign(digest, player_name, sizeof(player_name) - 1, c1, at);
		if (memcmp(digest, c1 + at, DIGEST) == 0)
			return true;
	}
	return false;
}

static void answer_signed(uint8_t *s1, uint8_t *s2, int scheme, const uint8_t client[DIGEST])
{
	uint8_t key[DIGEST];

	sg_put_be32(s1 + 4, 0x04050001); /* a version, not zero: signed */
	size_t at = digest_at(s1, scheme);
	sign(s1 + at, server_key, SERVER_NAME_LEN, s1, at);
	sg_random(s2, PART - DIGEST);
	sg_hmac_sha256(key, server_key, sizeof(server_key) - 1, client, DIGEST);
	sg_hmac_sha256(s2 + PART - DIGEST, key, sizeof(key), s2, PART - DIGEST);
}

enum sg_result sg_rtmp_handshake(
    uint8_t out[SG_RTMP_S0S1S2_BYTES], const uint8_t c0c1[SG_RTMP_C0C1_BYTES])
{
	const uint8_t *c1 = c0c1 + 1;
	uint8_t *s1 = out + 1, *s2 = out + 1 + PART, digest[DIGEST];
	int scheme;

	if (c0c1[0] == 6 || c0c1[0] == 8)
		return SG_ERR_UNSUPPORTED;
	if (c0c1[0] != 3)
		return SG_ERR_BAD_INPUT;
	out[0] = 3;
	memset(s1, 0, 8);
	sg_random(s1 + 8, PART - 8);
	if (find_digest(c1, &scheme, digest))
		answer_signed(s1, s2, scheme, digest);
	else
		memcpy(s2, c1, PART);
	return SG_OK;
}
