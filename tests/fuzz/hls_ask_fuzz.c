/* What players ask for: names of HLS's objects, _HLS_msn, _HLS_part, _HLS_skip; of a stream that has some
 * sound. The input's lines are the four. */
#include "base/log.h"
#include "media/hls.h"

#define INPUT_MAX 4096

static struct sg_stream *stream_with_sound(void)
{
	static const uint8_t config[] = { 0xaf, 0, 0x12, 0x10 };
	static const uint8_t frame[] = { 0xaf, 1, 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c };
	struct sg_publisher *pub;
	struct sg_hub *hub;

	sg_log_set_level(0);
	if (sg_hub_open(&hub, 1) != SG_OK ||
	    sg_hub_publish(hub, SG_STR("live"), SG_STR("cam"), "rtmp", &pub) != SG_OK)
		return NULL;
	(void)sg_hls_is_ready(sg_publisher_stream(pub));
	(void)!sg_publisher_write_flv(pub, 8, 0, config, sizeof(config));
	for (uint32_t i = 0; i < 300; i++)
		(void)!sg_publisher_write_flv(pub, 8, i * 23, frame, sizeof(frame));
	return sg_publisher_stream(pub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sg_stream *stream; /* the same for all inputs */
	struct sg_str rest = { (const char *)data, size }, part[4] = { { 0 } };
	struct sg_hls_ask ask = { 0 };
	struct sg_hls_object *o;

	if (size > INPUT_MAX || (!stream && !(stream = stream_with_sound())))
		return 0;
	for (int i = 0; i < 4 && rest.len; i++)
		sg_str_cut(rest, '\n', &part[i], &rest);
	if (!sg_hls_ask_parse(&ask, part[1], part[2], part[3]))
		return 0;
	ask.name = part[0];
	if ((sg_hls_get(stream, &ask, &o) == SG_HLS_HERE) != (o != NULL))
		__builtin_trap();
	sg_hls_object_free(o);
	return 0;
}
