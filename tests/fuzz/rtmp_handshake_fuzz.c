/* Feeds the handshake; what is signed is signed by the target itself, or no input would ever be. */
#include "base/text.h"
#include "rtmp/handshake.h"
#include <stdlib.h>

#define PART 1536
#define DIGEST SG_SHA256_BYTES

static const char player_key[] = "Genuine Adobe Flash Player 001";

static void sign(uint8_t *c1, size_t field)
{
	unsigned sum = c1[field] + c1[field + 1] + c1[field + 2] + c1[field + 3];
	size_t at = field + 4 + sum % 728;
	uint8_t rest[PART - DIGEST];

	memcpy(rest, c1, at);
	memcpy(rest + at, c1 + at + DIGEST, sizeof(rest) - at);
	sg_hmac_sha256(c1 + at, player_key, sizeof(player_key) - 1, rest, sizeof(rest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *c0c1, *out;

	if (size < 2)
		return 0;
	/* Copies of their own, so that a step past the end is seen. */
	c0c1 = calloc(1, SG_RTMP_C0C1_BYTES);
	out = malloc(SG_RTMP_S0S1S2_BYTES);
	if (c0c1 && out) {
		/* The first byte says what to do, the rest, over and over, is the part. */
		c0c1[0] = data[0] & 1 ? 3 : data[1];
		for (size_t i = 1; i < SG_RTMP_C0C1_BYTES; i++)
			c0c1[i] = data[1 + (i - 1) % (size - 1)];
		if (data[0] & 2)
			sign(c0c1 + 1, data[0] & 4 ? 8 : 772);
		enum sg_result res = sg_rtmp_handshake(out, c0c1);
		if ((res == SG_OK) != (c0c1[0] == 3))
			abort();
		bool echo = res == SG_OK && memcmp(out + 1 + PART, c0c1 + 1, PART) == 0;
		if (res == SG_OK && echo == ((data[0] & 2) != 0))
			abort();
	}
	free(c0c1);
	free(out);
	return 0;
}
