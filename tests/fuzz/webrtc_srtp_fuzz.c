/* SRTP and SRTCP that nobody has sealed: refused, whatever they are. */
#include "webrtc/srtp.h"
#include <stdlib.h>

static struct sg_srtp *open_one(enum sg_srtp_profile profile)
{
	const struct sg_srtp_keys keys = { .profile = profile, .client_key = { 1 }, .server_key = { 2 } };
	struct sg_srtp *s;

	if (sg_srtp_open(&s, &keys, false) != SG_OK)
		exit(1);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sg_srtp *s[2];
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	for (int i = 0; i < 2; i++) {
		if (!s[i])
			s[i] = open_one(i ? SG_SRTP_AEAD_AES_128_GCM : SG_SRTP_AES128_CM_SHA1_80);
		size_t len = size;
		memcpy(copy, data, size);
		if (sg_srtp_unprotect(s[i], copy, &len))
			abort();
		len = size;
		memcpy(copy, data, size);
		if (sg_srtp_unprotect_rtcp(s[i], copy, &len))
			abort();
	}
	free(copy);
	return 0;
}
