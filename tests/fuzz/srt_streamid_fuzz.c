/* Feeds the reader of SRT stream ids. */
#include "srt/streamid.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1); /* of its own, so that a read past the end is seen */
	struct sg_srt_streamid id;

	if (!copy)
		exit(1);
	if (size)
		memcpy(copy, data, size);
	memset(&id, 0x5a, sizeof(id));
	enum sg_result res = sg_srt_streamid_parse(&id, (struct sg_str){copy, size});
	if (strnlen(id.app, sizeof(id.app)) == sizeof(id.app) ||
	    strnlen(id.stream, sizeof(id.stream)) == sizeof(id.stream) ||
	    strnlen(id.token, sizeof(id.token)) == sizeof(id.token) ||
	    (id.has_token != (*id.token != 0)))
		abort();
	if ((res == SG_OK) != (*id.app && *id.stream) ||
	    (res == SG_OK && id.type != SG_PUBLISH && id.type != SG_PLAY))
		abort();
	free(copy);
	return 0;
}
