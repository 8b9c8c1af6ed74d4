/* rtp_h264.c - H.264's parameter sets: kept by their ids, avcC made of them and taken apart. */
#include "webrtc/rtp_internal.h"

/* ue(v), ITU-T H.264 section 9.1, of the first bits at `p`; -1 when it is over 255 or cut. */
static int first_ue(const uint8_t *p, size_t len)
{
	unsigned zeros = 0, v = 0;
	size_t bits = len * 8, at = 0;

	while (at < bits && !(p[at / 8] >> (7 - at % 8) & 1))
		zeros++, at++;
	if (zeros > 8 || at + 1 + zeros > bits)
		return -1;
	for (unsigned i = 0; i <= zeros; i++, at++)
		v = v << 1 | (p[at / 8] >> (7 - at % 8) & 1);
	return (int)v - 1;
}

bool h264_sets_take(struct h264_sets *s, const uint8_t *nal, size_t size)
{
	struct h264_set *free_one = NULL;
	bool is_sps = size && (nal[0] & 31) == NAL_SPS;
	size_t id_at = is_sps ? 4 : 1; /* behind profile, constraints, level */

	if (size <= id_at || size > H264_SET_BYTES_MAX)
		return false;
	int id = first_ue(nal + id_at, size - id_at);
	if (id < 0 || (is_sps && id > 31))
		return false;
	for (size_t i = 0; i < H264_SETS_MAX; i++) {
		struct h264_set *set = &s->set[!is_sps][i];
		if (!set->size) {
			if (!free_one)
				free_one = set;
		} else if (set->id == id) {
			if (set->size == size && memcmp(set->p, nal, size) == 0)
				return true;
			free_one = set;
			break;
		}
	}
	if (!free_one)
		return false;
	free_one->type = nal[0] & 31;
	free_one->id = (uint8_t)id;
	free_one->size = (uint16_t)size;
	memcpy(free_one->p, nal, size);
	s->changed = true;
	return true;
}

static unsigned count_sets(const struct h264_set *sets)
{
	unsigned n = 0;

	for (size_t i = 0; i < H264_SETS_MAX; i++)
		n += sets[i].size != 0;
	return n;
}

bool h264_sets_are_complete(const struct h264_sets *s)
{
	return count_sets(s->set[0]) && count_sets(s->set[1]);
}

static void put_sets(struct sg_buf *b, const struct h264_set *sets)
{
	for (size_t i = 0; i < H264_SETS_MAX; i++) {
		if (!sets[i].size)
			continue;
		sg_buf_put_be16(b, sets[i].size);
		sg_buf_append(b, sets[i].p, sets[i].size);
	}
}

/* High profiles append chroma format and bit depths; every reader lives without, and what browsers send
 * is 4:2:0 with 8 bits. */
static bool has_extension(uint8_t profile)
{
	return profile == 100 || profile == 110 || profile == 122 || profile == 144;
}

void h264_sets_write_avcc(const struct h264_sets *s, struct sg_buf *b)
{
	const struct h264_set *sps = s->set[0];

	while (!sps->size)
		sps++;
	sg_buf_put_u8(b, 1);
	sg_buf_append(b, sps->p + 1, 3); /* profile, constraints, level */
	sg_buf_put_u8(b, 0xff);          /* prefixes of 4 bytes */
	sg_buf_put_u8(b, (uint8_t)(0xe0 | count_sets(s->set[0])));
	put_sets(b, s->set[0]);
	sg_buf_put_u8(b, (uint8_t)count_sets(s->set[1]));
	put_sets(b, s->set[1]);
	if (has_extension(sps->p[1]))
		sg_buf_append(b, (const uint8_t[]){ 0xfd, 0xf8, 0xf8, 0 }, 4);
}

bool h264_each_parameter_set(const uint8_t *avcc, size_t len,
    void (*each)(void *user, const uint8_t *nal, size_t size), void *user)
{
	struct sg_reader r = { avcc, len };
	uint8_t count, version;

	if (!sg_read_u8(&r, &version) || version != 1 || !sg_read_skip(&r, 4))
		return false;
	for (int kind = 0; kind < 2; kind++) {
		if (!sg_read_u8(&r, &count))
			return false;
		for (unsigned n = kind == 0 ? count & 31 : count; n; n--) {
			uint16_t size;
			const uint8_t *nal;
			if (!sg_read_be16(&r, &size) || !sg_read_bytes(&r, size, &nal))
				return false;
			if (size)
				each(user, nal, size);
		}
	}
	return true;
}
