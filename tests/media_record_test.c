/* One recording: what is written, wherever it is cut off; a full disk; another format. */
#include "hls_fixture.h"
#include "record_fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- a disk that fails, or is stopped, at one read from now; 0: never ---- */

static int trouble_in;
static atomic_bool *stop_then; /* instead of failing */

ssize_t read(int fd, void *to, size_t len)
{
	bool now = trouble_in && !--trouble_in;

	if (now && stop_then) {
		atomic_store(stop_then, true);
	} else if (now) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_read, fd, to, len);
}

static int begin(void **state)
{
	return source_open(state) != 0 ? -1 : record_place_open();
}

static int end(void **state)
{
	record_place_close();
	return source_close(state);
}

static int fresh(void)
{
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static struct media read_file(const char *path)
{
	struct media m = { 0 };
	uint8_t piece[65536];
	size_t n;
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	sg_buf_init(&m.bytes, 64u << 20);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		sg_buf_append(&m.bytes, piece, n);
	fclose(f);
	read_back(&m, "mp4");
	return m;
}

#define PUMP_MS 250u
#define PUMPS ((SOURCE_ALL_MS - 500u + PUMP_MS - 1) / PUMP_MS)

/* Records the source's four seconds. */
static void record_source(struct sg_hub *hub)
{
	struct sg_publisher *pub = publish(hub);
	struct sg_record_file *r = NULL;

	feed(pub, BOTH, 0, 500, 0);
	assert_int_equal(sg_record_open(&r, sg_publisher_stream(pub), 0, fresh(), buffer), SG_OK);
	for (uint32_t ms = 500; ms < SOURCE_ALL_MS; ms += PUMP_MS) {
		feed(pub, BOTH, ms, ms + PUMP_MS < SOURCE_ALL_MS ? ms + PUMP_MS : SOURCE_ALL_MS, 0);
		assert_int_equal(sg_record_pump(r), SG_OK);
	}
	assert_int_equal(sg_record_sync(r), SG_OK);
	assert_in_range(sg_record_ms(r), 3900, 4200);
	sg_record_close(r);
	sg_publisher_close(pub, true);
}

static void a_recording_is_what_was_published(void **state)
{
	struct sg_hub *hub = hub_open();
	int64_t ms = 0;

	(void)state;
	record_source(hub);
	struct media m = read_file(part);
	assert_int_equal(m.video.packets, SOURCE_PICTURES);
	assert_int_equal(m.audio.packets, source.audio_frames);
	assert_int_equal(m.video.keys, 4);
	assert_true(m.video.monotonic && m.audio.monotonic);
	assert_int_equal(sg_record_finish(part, whole, NULL, &ms), SG_OK);
	m = read_file(whole);
	assert_int_equal(m.video.packets, SOURCE_PICTURES);
	assert_int_equal(m.audio.packets, source.audio_frames);
	assert_int_equal(m.video.width, 320);
	assert_true(m.video.monotonic && m.audio.monotonic);
	assert_in_range(ms, 3900, 4300);
	sg_hub_close(hub);
}

/* A crash may leave any beginning of the file: all whole fragments are saved, or nothing is there. */
static void wherever_it_is_cut_off_its_beginning_is_saved(void **state)
{
	struct sg_hub *hub = hub_open();
	struct stat st;
	int64_t ms, last_ms = 0;

	(void)state;
	record_source(hub);
	assert_int_equal(stat(part, &st), 0);
	/* Steps smaller than any moof: each is cut. */
	for (int64_t size = st.st_size; size >= 0; size -= size > 4000 ? 499 : 37) {
		assert_int_equal(truncate(part, size), 0);
		enum sg_result res = sg_record_finish(part, whole, NULL, &ms);
		if (res == SG_OK) {
			assert_true(!last_ms || ms <= last_ms + 1);
			last_ms = ms;
			assert_int_equal(access(whole, F_OK), 0);
		} else {
			assert_true(res == SG_ERR_BAD_INPUT || (res == SG_ERR_IO && size < 4096)); /* half a head */
			assert_true(sg_record_is_empty(part));
			assert_int_not_equal(access(whole, F_OK), 0);
		}
		if (size > st.st_size / 2)
			assert_int_equal(res, SG_OK);
	}
	sg_hub_close(hub);
}

static void what_cannot_be_read_is_no_end(void **state)
{
	struct sg_hub *hub = hub_open();
	int64_t ms;
	int reads = 1;

	(void)state;
	record_source(hub);
	for (;; reads++) {
		trouble_in = reads;
		enum sg_result res = sg_record_finish(part, whole, NULL, &ms);
		bool met = !trouble_in;
		trouble_in = 0;
		if (!met) {
			assert_int_equal(res, SG_OK);
			break;
		}
		if (res != SG_ERR_IO)
			fail_msg("read %d: %s", reads, sg_result_text(res));
		assert_int_not_equal(access(whole, F_OK), 0);
	}
	assert_in_range(reads, 6, 1000);
	sg_hub_close(hub);
}

static void finishing_stops_when_it_is_told_to(void **state)
{
	struct sg_hub *hub = hub_open();
	atomic_bool stop = false;
	int64_t ms;

	(void)state;
	record_source(hub);
	assert_int_equal(sg_record_finish(part, whole, &stop, &ms), SG_OK);
	stop_then = &stop;
	for (int reads = 1; reads < 8; reads++) {
		atomic_store(&stop, false);
		trouble_in = reads;
		assert_int_equal(sg_record_finish(part, whole, &stop, &ms), SG_ERR_CLOSED);
		assert_true(!trouble_in);
		assert_int_not_equal(access(whole, F_OK), 0);
	}
	stop_then = NULL;
	trouble_in = 0;
	assert_int_equal(sg_record_finish(part, whole, &stop, &ms), SG_ERR_CLOSED);
	sg_hub_close(hub);
}

/* As after a crash between the two steps that put the finished file in place. */
static void one_that_is_finished_already_is_finished_again(void **state)
{
	struct sg_hub *hub = hub_open();
	int64_t ms = 0;

	(void)state;
	record_source(hub);
	assert_int_equal(sg_record_finish(part, whole, NULL, &ms), SG_OK);
	assert_int_equal(rename(whole, part), 0);
	assert_int_equal(sg_record_finish(part, whole, NULL, &ms), SG_OK);
	struct media m = read_file(whole);
	assert_int_equal(m.video.packets, SOURCE_PICTURES);
	assert_int_equal(m.audio.packets, source.audio_frames);
	assert_true(m.video.monotonic && m.audio.monotonic);
	assert_in_range(ms, 3900, 4300);
	sg_hub_close(hub);
}

/* Not what a crash leaves, so there may be more in it than what we can read. */
static void what_has_media_behind_a_broken_head_is_not_empty(void **state)
{
	struct sg_hub *hub = hub_open();
	static const uint8_t zeros[4096];
	struct stat st;
	int64_t ms;

	(void)state;
	record_source(hub);
	assert_false(sg_record_is_empty(part));
	int fd = open(part, O_WRONLY);
	assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, 12), 4);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
	assert_int_equal(sg_record_finish(part, whole, NULL, &ms), SG_ERR_BAD_INPUT);
	assert_false(sg_record_is_empty(part));
	/* Blocks that were promised, but never written, are. */
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, st.st_size), 0);
	assert_int_equal(sg_record_finish(part, whole, NULL, &ms), SG_ERR_BAD_INPUT);
	assert_true(sg_record_is_empty(part));
	close(fd);
	assert_false(sg_record_is_empty("/nowhere/.cam.mp4.part"));
	sg_hub_close(hub);
}

/* So that it can be written past the page cache. */
static void every_fragment_fills_whole_blocks(void **state)
{
	struct sg_hub *hub = hub_open();
	uint8_t head[8];
	int64_t at = 0;
	int moofs = 0;

	(void)state;
	record_source(hub);
	int fd = open(part, O_RDONLY);
	while (pread(fd, head, sizeof(head), at) == (ssize_t)sizeof(head)) {
		if (memcmp(head + 4, "moof", 4) == 0) {
			assert_int_equal(at % 4096, 0);
			moofs++;
		}
		at += (int64_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
	}
	assert_int_equal(at, lseek(fd, 0, SEEK_END));
	assert_int_equal(at % 4096, 0);
	assert_in_range(moofs, 14, PUMPS + 1); /* one of each pump that had something to write, and the last frames */
	close(fd);
	sg_hub_close(hub);
}

/* Here because it begins in the middle of a block; elsewhere because the file system knows of no such thing. */
static void one_that_cannot_be_written_past_the_page_cache_is_written_through_it(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_record_file *r = NULL;
	int fd = fresh();

	(void)state;
	feed(pub, BOTH, 0, 500, 0);
	assert_int_equal(write(fd, "\0\0\0\x8" "free", 8), 8);
	assert_int_equal(sg_record_open(&r, sg_publisher_stream(pub), 0, fd, buffer), SG_OK);
	feed(pub, BOTH, 500, SOURCE_ALL_MS, 0);
	assert_int_equal(sg_record_pump(r), SG_OK);
	sg_record_close(r);
	sg_publisher_close(pub, true);
	struct media m = read_file(part);
	assert_int_equal(m.video.packets, SOURCE_PICTURES);
	assert_int_equal(m.audio.packets, source.audio_frames);
	sg_hub_close(hub);
}

static void a_full_disk_is_told_once_and_the_stream_goes_on(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_record_file *r = NULL;
	int full = open("/dev/full", O_WRONLY);

	(void)state;
	assert_true(full >= 0);
	feed(pub, BOTH, 0, 1000, 0);
	errno = 0;
	assert_int_equal(sg_record_open(&r, sg_publisher_stream(pub), 0, full, buffer), SG_ERR_IO);
	assert_int_equal(errno, ENOSPC);
	close(full);
	/* Full later on: what is written then goes there. */
	int fd = fresh();
	assert_int_equal(sg_record_open(&r, sg_publisher_stream(pub), 0, fd, buffer), SG_OK);
	full = open("/dev/full", O_WRONLY);
	assert_int_equal(dup2(full, fd), fd);
	feed(pub, BOTH, 1000, 3000, 0);
	errno = 0;
	assert_int_equal(sg_record_pump(r), SG_ERR_IO);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(sg_record_pump(r), SG_ERR_IO);
	sg_record_close(r);
	close(full);
	assert_true(sg_stream_is_live(sg_publisher_stream(pub)));
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void another_format_asks_for_another_file(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_record_file *r = NULL;

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	assert_int_equal(sg_record_open(&r, s, 0, fresh(), buffer), SG_OK);
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, 2500, AAC_CONFIG, sizeof(AAC_CONFIG)), SG_OK);
	feed(pub, BOTH, 2500, 2900, 0);
	assert_int_equal(sg_record_pump(r), SG_ERR_EXISTS);
	uint64_t at = sg_record_position(r);
	sg_record_close(r);
	assert_false(sg_record_may_begin(s, at)); /* not before the next keyframe */
	feed(pub, BOTH, 2900, 3500, 0);
	assert_true(sg_record_may_begin(s, at));
	assert_int_equal(sg_record_open(&r, s, at, fresh(), buffer), SG_OK);
	assert_int_equal(sg_record_pump(r), SG_OK);
	sg_record_close(r);
	struct media m = read_file(part);
	assert_int_equal(m.audio.sample_rate, 44100);
	assert_int_equal(m.video.first_us, 0);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* Of `from`, which is finished on the way: plain MP4 has to tell the same. */
static struct media finished(const char *from)
{
	int64_t ms;

	assert_int_equal(sg_record_finish(from, whole, NULL, &ms), SG_OK);
	return read_file(whole);
}

/* One that ends at the keyframe at two seconds, and the next; the pump comes at every `step` ms. `late_ms`: how much
 * later than its pictures a sound comes. */
static void roll(int what, uint32_t step, uint32_t late_ms, struct media *first, struct media *second)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_record_file *r = NULL, *next = NULL;
	char other[80];
	int full = 0;

	snprintf(other, sizeof(other), "%s/b.part", record_dir);
	feed(pub, what, 0, 1, 0);
	if (what != BOTH)
		pass_ms(1000); /* there is no second track */
	for (uint32_t ms = 1, now_ms; ms < SOURCE_ALL_MS + late_ms; ms += now_ms) {
		now_ms = r || step < 250 ? step : 250; /* it is to begin at the first keyframe */
		if (late_ms) {
			feed(pub, VIDEO, ms, ms + now_ms, 0);
			if (ms > late_ms)
				feed(pub, AUDIO, ms - late_ms, ms - late_ms + now_ms, 0);
		} else {
			feed(pub, what, ms, ms + now_ms, 0);
		}
		if (!r) {
			assert_int_equal(sg_record_open(&r, sg_publisher_stream(pub), 0, fresh(), buffer), SG_OK);
			sg_record_limit(r, 1500);
		}
		enum sg_result res = sg_record_pump(r);
		if (res == SG_ERR_LIMIT && !full++) {
			assert_int_equal(sg_record_pump(r), SG_ERR_LIMIT);
			int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0600);
			assert_int_equal(sg_record_go_on(&next, r, fd), SG_OK);
			sg_record_limit(next, 0);
			sg_record_close(r);
			r = next;
			res = sg_record_pump(r);
		}
		assert_int_equal(res, SG_OK);
	}
	if (full != 1)
		fail_msg("%d cuts, what %d, step %u, late %u", full, what, step, late_ms);
	sg_record_close(r);
	*first = finished(part);
	*second = finished(other);
	unlink(other);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void a_long_one_goes_on_in_another_file_and_nothing_is_lost_between(void **state)
{
	static const struct {
		int what;
		uint32_t step, late_ms;
	} cases[] = { { BOTH, 900, 0 }, { BOTH, 250, 0 }, { BOTH, 10, 0 }, { BOTH, 2500, 0 }, { VIDEO, 250, 0 },
		{ AUDIO, 250, 0 }, { BOTH, 20, 300 }, { BOTH, 250, 250 }, { BOTH, 900, 250 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct media a, b;
		bool has_video = cases[i].what & VIDEO, has_audio = cases[i].what & AUDIO;
		roll(cases[i].what, cases[i].step, cases[i].late_ms, &a, &b);
		if (has_video) {
			assert_int_equal(a.video.packets, SOURCE_PICTURES / 2);
			assert_int_equal(b.video.packets, SOURCE_PICTURES / 2);
			assert_int_equal(b.video.keys, 2);
			assert_int_equal(b.video.width, 320);
			assert_true(a.video.monotonic && b.video.monotonic);
		}
		if (has_audio) {
			if (a.audio.packets + b.audio.packets != source.audio_frames)
				fail_msg("case %zu: %u and %u sounds of %zu", i, a.audio.packets, b.audio.packets,
				    source.audio_frames);
			assert_in_range(b.audio.first_us, 0, 50000); /* beside its pictures */
			assert_true(a.audio.monotonic && b.audio.monotonic);
		}
	}
}

static void the_end_of_the_stream_is_told(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_record_file *r = NULL;

	(void)state;
	feed(pub, BOTH, 0, 1500, 0);
	assert_int_equal(sg_record_open(&r, sg_publisher_stream(pub), 0, fresh(), buffer), SG_OK);
	sg_publisher_close(pub, true);
	assert_int_equal(sg_record_pump(r), SG_OK); /* it may come back */
	pass_ms(SG_STREAM_GOODBYE_GAP_MS);
	sg_hub_tick(hub, sg_mono_ms());
	assert_int_equal(sg_record_pump(r), SG_ERR_NOT_FOUND);
	sg_record_close(r);
	sg_record_close(NULL);
	sg_hub_close(hub);
}

static void a_clock_that_was_set_back_keeps_no_recording_from_beginning(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	wall_step_ms = -3600000;
	feed(pub, VIDEO, 0, 500, 0);
	assert_false(sg_record_may_begin(s, 0)); /* the sound may come yet */
	feed(pub, VIDEO, 500, 1200, 0);
	assert_true(sg_record_may_begin(s, 0));
	wall_step_ms = 0;
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* A disk that stood still: what the ring has dropped meanwhile may have been another format's configuration. */
static void a_configuration_that_was_jumped_over_is_seen(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_record_file *r;
	uint8_t other[64];

	(void)state;
	feed(pub, BOTH, 0, 500, 0);
	assert_int_equal(sg_record_open(&r, s, 0, fresh(), buffer), SG_OK);
	assert_int_equal(sg_record_pump(r), SG_OK);
	for (uint32_t i = 0; i < 5000; i++) /* what is lost is sound alone */
		write_audio(pub, 500 + 23 * i);
	write_tag_at(pub, source.key, 500 + 23 * 5000);
	assert_int_equal(sg_record_pump(r), SG_OK); /* nothing has changed */
	memcpy(other, source.avc->body, source.avc->len);
	other[5 + 2] ^= 0x40;
	write_tag_at(pub, &(struct tag){ SG_FLV_VIDEO, 0, other, source.avc->len }, 116000);
	for (uint32_t i = 0; i < 5000; i++)
		write_audio(pub, 116000 + 23 * i);
	uint64_t key = sg_ring_head(sg_stream_ring(s));
	write_tag_at(pub, source.key, 116000 + 23 * 5000);
	assert_int_equal(sg_record_pump(r), SG_ERR_EXISTS);
	assert_in_range(sg_record_position(r), 1, key);
	uint64_t after = sg_record_position(r);
	sg_record_close(r);
	assert_int_equal(sg_record_open(&r, s, after, fresh(), buffer), SG_OK);
	assert_int_equal(sg_record_pump(r), SG_OK);
	sg_record_close(r);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void sound_that_follows_pictures_is_recorded_from_its_beginning(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_record_file *r;

	(void)state;
	feed(pub, BOTH, 0, 1500, 0);
	assert_int_equal(sg_record_open(&r, s, 0, fresh(), buffer), SG_OK);
	assert_int_equal(sg_record_pump(r), SG_OK);
	sg_publisher_close(pub, true);
	pub = publish(hub);
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, 0, AAC_CONFIG, sizeof(AAC_CONFIG)), SG_OK);
	for (uint32_t ms = 0; ms < 900; ms += 23) {
		write_audio(pub, ms);
		pass_ms(23);
	}
	assert_int_equal(sg_record_pump(r), SG_ERR_EXISTS);
	uint64_t after = sg_record_position(r);
	sg_record_close(r);
	assert_int_equal(sg_record_open(&r, s, after, fresh(), buffer), SG_OK);
	assert_int_equal(sg_record_pump(r), SG_OK);
	assert_in_range(sg_record_ms(r), 850, 950);
	sg_record_close(r);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recording_is_what_was_published),
		cmocka_unit_test(wherever_it_is_cut_off_its_beginning_is_saved),
		cmocka_unit_test(what_cannot_be_read_is_no_end),
		cmocka_unit_test(finishing_stops_when_it_is_told_to),
		cmocka_unit_test(one_that_is_finished_already_is_finished_again),
		cmocka_unit_test(what_has_media_behind_a_broken_head_is_not_empty),
		cmocka_unit_test(every_fragment_fills_whole_blocks),
		cmocka_unit_test(one_that_cannot_be_written_past_the_page_cache_is_written_through_it),
		cmocka_unit_test(a_full_disk_is_told_once_and_the_stream_goes_on),
		cmocka_unit_test(another_format_asks_for_another_file),
		cmocka_unit_test(a_long_one_goes_on_in_another_file_and_nothing_is_lost_between),
		cmocka_unit_test(the_end_of_the_stream_is_told),
		cmocka_unit_test(a_clock_that_was_set_back_keeps_no_recording_from_beginning),
		cmocka_unit_test(a_configuration_that_was_jumped_over_is_seen),
		cmocka_unit_test(sound_that_follows_pictures_is_recorded_from_its_beginning),
	};

	return cmocka_run_group_tests_name("media_record", tests, begin, end);
}
