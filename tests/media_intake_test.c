/* A hostile source of MPEG-TS: pictures that never end, tables that are never the same. */
#include "media_fixture.h"
#include "media/intake.h"
#include <libavutil/crc.h>
#include <libavutil/log.h>
#include <malloc.h>

enum { PMT_PID = 0x100, VIDEO_PID = 0x101, AUDIO_PID = 0x102, TS = 188 };

#define READ_MAX (120ll << 20) /* then the source ends */
#define MEMORY_MAX (80u << 20)

struct source {
	bool has_audio;
	bool renumbers, retypes; /* the pictures' PID, or what it is said to be, is another in each PMT */
	unsigned tables;
	int64_t packets, read;
	unsigned counters[8192];
	int64_t pts;
	size_t most_memory;
	uint8_t packet[TS];
	size_t at;
};

/* ---- the container (ISO/IEC 13818-1 2.4.3, 2.4.4) ---- */

static uint8_t *begin_packet(struct source *s, unsigned pid, bool start)
{
	memset(s->packet, 0xff, TS);
	s->packet[0] = 0x47;
	s->packet[1] = (uint8_t)((start ? 0x40 : 0) | pid >> 8);
	s->packet[2] = (uint8_t)pid;
	s->packet[3] = (uint8_t)(0x10 | (s->counters[pid]++ & 15));
	return s->packet + 4;
}

static void put_table(struct source *s, unsigned pid, const uint8_t *section, size_t len)
{
	uint8_t *p = begin_packet(s, pid, true);
	uint32_t crc = av_crc(av_crc_get_table(AV_CRC_32_IEEE), 0xffffffff, section, len);

	*p++ = 0;
	memcpy(p, section, len);
	for (int i = 0; i < 4; i++) /* av_crc keeps its bytes the other way round */
		p[len + (size_t)i] = (uint8_t)(crc >> (8 * i));
}

static void put_pat(struct source *s)
{
	const uint8_t pat[] = { 0x00, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | PMT_PID >> 8, PMT_PID & 0xff };

	put_table(s, 0, pat, sizeof(pat));
}

static unsigned video_pid(const struct source *s)
{
	return s->renumbers ? AUDIO_PID + s->tables : VIDEO_PID;
}

static void put_pmt(struct source *s)
{
	s->tables++;
	unsigned video = video_pid(s);
	uint8_t pmt[] = { 0x02, 0xb0, 18, 0, 1, 0xc1, 0, 0, (uint8_t)(0xe0 | video >> 8), (uint8_t)video, 0xf0, 0,
		s->retypes && s->tables % 2 ? 0x24 : 0x1b, (uint8_t)(0xe0 | video >> 8), (uint8_t)video, 0xf0, 0,
		0x0f, 0xe0 | AUDIO_PID >> 8, AUDIO_PID & 0xff, 0xf0, 0 };
	size_t len = s->has_audio ? sizeof(pmt) : sizeof(pmt) - 5;

	pmt[2] = (uint8_t)(len + 1);
	put_table(s, PMT_PID, pmt, len);
}

static uint8_t *put_pes_head(struct source *s, uint8_t *p, uint8_t stream_id, size_t len)
{
	const uint8_t head[] = { 0, 0, 1, stream_id, (uint8_t)(len >> 8), (uint8_t)len, 0x80, 0x80, 5,
		(uint8_t)(0x21 | (s->pts >> 29 & 0xe)), (uint8_t)(s->pts >> 22), (uint8_t)(s->pts >> 14 | 1),
		(uint8_t)(s->pts >> 7), (uint8_t)(s->pts << 1 | 1) };

	memcpy(p, head, sizeof(head));
	return p + sizeof(head);
}

/* One slice that goes on and on: no start code comes behind its first. */
static void put_video(struct source *s, bool start)
{
	bool first = !s->counters[video_pid(s)];
	uint8_t *p = begin_packet(s, video_pid(s), start);

	if (start)
		p = put_pes_head(s, p, 0xe0, 0);
	if (first) {
		memcpy(p, "\0\0\1\x65", 4);
		p += 4;
	}
	memset(p, 0xaa, (size_t)(s->packet + TS - p));
}

/* One frame of AAC, with its ADTS header (ISO/IEC 14496-3 1.A.2.2). */
static void put_audio(struct source *s)
{
	enum { PAYLOAD = TS - 4 - 14 };
	static const uint8_t adts[] = { 0xff, 0xf1, 0x50, 0x80 | PAYLOAD >> 11, PAYLOAD >> 3 & 0xff,
		(PAYLOAD & 7) << 5 | 0x1f, 0xfc };
	uint8_t *p = put_pes_head(s, begin_packet(s, AUDIO_PID, true), 0xc0, PAYLOAD + 8);

	memcpy(p, adts, sizeof(adts));
	memset(p + sizeof(adts), 0x21, PAYLOAD - sizeof(adts));
}

static void next_packet(struct source *s)
{
	int64_t n = s->packets++;

	if (n % 1000 == 0)
		put_pat(s);
	else if (n % 1000 == 1)
		put_pmt(s);
	else if (s->has_audio && n % 1000 == 500)
		put_audio(s);
	else
		put_video(s, n % 1000 == 2);
	if (n % 1000 == 999)
		s->pts += 2000;
	s->at = 0;
}

static size_t memory_in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static int read_source(void *user, uint8_t *out, int size)
{
	struct source *s = user;
	size_t memory = s->packets % 1000 < 10 ? memory_in_use() : 0;

	if (memory > s->most_memory)
		s->most_memory = memory;
	if (s->read >= READ_MAX)
		return -1;
	if (s->at == TS || !s->packets)
		next_packet(s);
	size_t n = TS - s->at < (size_t)size ? TS - s->at : (size_t)size;
	memcpy(out, s->packet + s->at, n);
	s->at += n;
	s->read += (int64_t)n;
	return (int)n;
}

static bool go_on(void *user)
{
	(void)user;
	return false;
}

/* Reads to the end; answers how many frames came. */
static unsigned read_all(struct source *s, enum sg_result *res, const char **trouble)
{
	const struct sg_intake_config cfg = {
		.read = read_source, .format = "mpegts", .stop = go_on, .user = s };
	struct sg_intake *in;
	struct sg_frame *f;
	const char *why;
	unsigned frames = 0;

	assert_int_equal(sg_intake_open(&in, &cfg, &why), SG_OK);
	while ((*res = sg_intake_next(in, &f)) == SG_OK) {
		frames++;
		sg_frame_unref(f);
	}
	*trouble = sg_intake_trouble(in);
	sg_intake_close(in);
	return frames;
}

/* ---- the tests ---- */

static void a_picture_without_an_end_ends_its_source(void **state)
{
	struct source s = { 0 };
	const char *trouble;
	enum sg_result res;

	(void)state;
	assert_int_equal(read_all(&s, &res, &trouble), 0);
	assert_int_equal(res, SG_ERR_LIMIT);
	assert_true(s.read < READ_MAX);
	assert_true(s.most_memory < MEMORY_MAX);
}

static void a_picture_without_an_end_beside_sound_takes_no_memory_without_end(void **state)
{
	struct source s = { .has_audio = true };
	const char *trouble;
	enum sg_result res;

	(void)state;
	unsigned frames = read_all(&s, &res, &trouble);
	assert_true(frames >= READ_MAX / TS / 1000 - 20); /* the sound is there */
	assert_true(res == SG_ERR_CLOSED || res == SG_ERR_LIMIT); /* what was left came out at the end, or not */
	assert_true(s.most_memory < MEMORY_MAX);
}

static void assert_ends_soon(struct source *s)
{
	const char *trouble;
	enum sg_result res;

	read_all(s, &res, &trouble);
	assert_int_equal(res, SG_ERR_LIMIT);
	assert_string_equal(trouble, "its tracks are replaced again and again");
	assert_true(s->tables < 80);
	assert_true(s->most_memory < MEMORY_MAX);
}

static void tracks_that_are_replaced_again_and_again_end_their_source(void **state)
{
	struct source renumbers = { .has_audio = true, .renumbers = true };
	struct source retypes = { .has_audio = true, .retypes = true };

	(void)state;
	assert_ends_soon(&renumbers);
	assert_ends_soon(&retypes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_picture_without_an_end_ends_its_source),
		cmocka_unit_test(a_picture_without_an_end_beside_sound_takes_no_memory_without_end),
		cmocka_unit_test(tracks_that_are_replaced_again_and_again_end_their_source),
	};

	av_log_set_level(AV_LOG_QUIET);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
