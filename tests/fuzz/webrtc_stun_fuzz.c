/* STUN messages: reading, and checking with a password. */
#include "webrtc/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sg_stun m;

	if (sg_stun_parse(&m, data, size))
		(void)sg_stun_is_from(&m, data, SG_STR("password"));
	return 0;
}
