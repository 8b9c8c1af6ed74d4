/* Followers of a ring: what reaches their sockets, and when. */
#include "fanout_fixture.h"

/* ---- everything, in order ---- */

static void serve_byte_for_byte(size_t viewers)
{
	struct room room;
	struct viewer v[12] = { 0 };
	struct sg_buf want[3];
	struct sg_frame *lead[3] = { numbered_frame(SG_FRAME_META, 0, 1000, 300),
		numbered_frame(SG_FRAME_VIDEO, CONFIG, 1001, 40),
		numbered_frame(SG_FRAME_AUDIO, CONFIG, 1002, 5) };

	room_open(&room, 0, 256);
	for (int form = 0; form < 3; form++) {
		sg_buf_init(&want[form], 64u << 20);
		for (int i = 0; i < 3; i++)
			expect_frame(&want[form], lead[i], (enum sg_form)form);
	}
	for (size_t i = 0; i < viewers; i++) {
		v[i].cfg.lead = lead;
		v[i].cfg.lead_count = 3;
		viewer_open(&room, &v[i], (enum sg_form)(i % 3), 0);
		drain_on_thread(&v[i]);
	}
	for (int i = 0; i < 200; i++) {
		struct sg_frame *f = write_frame(&room, i % 3 ? SG_FRAME_AUDIO : SG_FRAME_VIDEO,
		    i % 30 ? 0 : KEY, i % 50 ? 4 + (size_t)i * 13 : 400000);
		for (int form = 0; form < 3; form++)
			expect_frame(&want[form], f, (enum sg_form)form);
		sg_frame_unref(f);
	}
	sg_ring_end(room.ring);
	for (size_t i = 0; i < viewers; i++) {
		struct sg_buf *wanted = &want[i % 3];
		await(&v[i].ended);
		pthread_join(v[i].thread, NULL);
		v[i].drained = false;
		assert_int_equal(v[i].got.len, wanted->len);
		assert_memory_equal(v[i].got.p, wanted->p, wanted->len);
		assert_int_equal(v[i].why, SG_FOLLOWER_STREAM_ENDED);
		assert_int_equal(v[i].stats.frames_sent, 203);
		assert_int_equal(v[i].stats.bytes_sent, wanted->len);
		assert_int_equal(v[i].stats.frames_skipped, 0);
		viewer_close(&v[i]);
	}
	for (int form = 0; form < 3; form++) {
		sg_buf_reset(&want[form]);
		sg_frame_unref(lead[form]);
	}
	room_close(&room);
}

static void followers_get_lead_and_frames_byte_for_byte(void **state)
{
	(void)state;
	serve_byte_for_byte(3);
}

/* For many the bytes are laid side by side. */
static void so_do_many_followers(void **state)
{
	(void)state;
	serve_byte_for_byte(12);
}

static void those_who_join_later_begin_at_their_cursor(void **state)
{
	struct room room;
	struct viewer v[6] = { 0 };

	(void)state;
	room_open(&room, 0, 256);
	/* Keys at 0, 10, 20, ...; they join after 0, 7, 14, ... frames. */
	for (int i = 0; i < 6; i++) {
		v[i].cfg.cursor = sg_ring_start(room.ring);
		viewer_open(&room, &v[i], SG_FORM_RAW, 0);
		write_video(&room, 7, 10, 500);
	}
	sg_ring_end(room.ring);
	for (int i = 0; i < 6; i++) {
		uint32_t first = (uint32_t)(i * 7 / 10 * 10);
		await(&v[i].ended);
		assert_true(take(&v[i], (42 - first) * 500));
		assert_no_more(&v[i]);
		for (uint32_t n = first; n < 42; n++) {
			struct sg_reader r = { v[i].got.p + (n - first) * 500, 4 };
			uint32_t number = 0;
			assert_true(sg_read_be32(&r, &number));
			assert_int_equal(number, n);
		}
		viewer_close(&v[i]);
	}
	room_close(&room);
}

static void rings_on_one_loop_do_not_mix(void **state)
{
	struct room room, other;
	struct viewer a = { 0 }, b = { 0 };

	(void)state;
	room_open(&room, 0, 64);
	other = room;
	assert_int_equal(sg_ring_create(&other.ring, 64, 1u << 20), SG_OK);
	other.written = 500;
	viewer_open(&room, &a, SG_FORM_RAW, 0);
	viewer_open(&other, &b, SG_FORM_RAW, 0);
	write_video(&room, 3, 1, 10);
	write_video(&other, 2, 1, 10);
	sg_ring_end(room.ring);
	sg_ring_end(other.ring);
	await(&a.ended);
	await(&b.ended);
	assert_true(take(&a, 30));
	assert_true(take(&b, 20));
	assert_no_more(&a);
	assert_no_more(&b);
	assert_int_equal(a.got.p[3], 0);
	assert_int_equal(b.got.p[2] << 8 | b.got.p[3], 500);
	viewer_close(&a);
	viewer_close(&b);
	sg_ring_unref(other.ring);
	room_close(&room);
}

/* ---- those who do not read ---- */

struct held {
	struct sg_task task;
	sem_t entered, leave;
};

static void hold_loop(struct sg_task *task)
{
	struct held *h = (struct held *)task;

	sem_post(&h->entered);
	sem_wait(&h->leave);
}

static void hold(struct room *room, struct held *held)
{
	*held = (struct held){ .task.run = hold_loop };
	sem_init(&held->entered, 0, 0);
	sem_init(&held->leave, 0, 0);
	struct sg_executor *ex = sg_loop_executor(room->loop);
	ex->post(ex, &held->task);
	await(&held->entered);
}

/* How much a socket of this kind takes before it is full. */
static size_t room_in_socket(struct room *room)
{
	struct viewer v = { .cfg.cursor = sg_ring_head(room->ring) };

	viewer_open(room, &v, SG_FORM_RAW, 30000);
	write_video(room, 1, 1, 300000);
	settle(room);
	size_t n = (size_t)stats_of(&v)->bytes_sent;
	viewer_close(&v);
	return n;
}

static void a_frame_that_is_cut_anywhere_goes_on_there(void **state)
{
	struct room room;
	struct held held;

	(void)state;
	room_open(&room, 0, 4);
	size_t fits = room_in_socket(&room);
	assert_in_range(fits, 1000, 299999);
	/* Two frames in one write: so that the cut falls on each byte of the second one's header. */
	for (size_t cut = 0; cut < 2 * 20; cut++) {
		enum sg_form form = cut % 2 ? SG_FORM_FLV : SG_FORM_RTMP;
		size_t around = form == SG_FORM_FLV ? 16 + 4 : 17;
		struct viewer v = { .cfg.cursor = sg_ring_head(room.ring) };
		struct sg_buf want;
		sg_buf_init(&want, 1u << 20);
		viewer_open(&room, &v, form, 30000);
		hold(&room, &held);
		for (int i = 0; i < 2; i++) {
			struct sg_frame *f = write_frame(&room, SG_FRAME_VIDEO, KEY,
			    i ? 300000 : fits - around - cut / 2);
			expect_frame(&want, f, form);
			sg_frame_unref(f);
		}
		sem_post(&held.leave);
		settle(&room);
		assert_int_equal(stats_of(&v)->bytes_sent, fits);
		assert_int_equal(v.stats.frames_sent, 1);
		assert_true(take(&v, want.len));
		assert_memory_equal(v.got.p, want.p, want.len);
		settle(&room);
		assert_int_equal(stats_of(&v)->frames_sent, 2);
		viewer_close(&v);
		sg_buf_reset(&want);
	}
	room_close(&room);
}

static void one_that_does_not_read_is_moved_to_a_keyframe_and_the_others_get_all(void **state)
{
	enum { SIZE = 20000, FRAMES = 400 };
	struct room room;
	struct viewer slow = { 0 }, quick[3] = { 0 };
	unsigned jumps;

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &slow, SG_FORM_RAW, 30000);
	for (int i = 0; i < 3; i++) {
		viewer_open(&room, &quick[i], SG_FORM_RAW, 0);
		drain_on_thread(&quick[i]);
	}
	for (unsigned i = 0; i < FRAMES; i += 16) {
		write_video(&room, 16, 8, SIZE);
		for (int k = 0; k < 3; k++)
			await_bytes(&quick[k], (i + 16) * SIZE);
	}
	drain_on_thread(&slow);
	await_bytes(&slow, 4 * SIZE); /* it goes on */
	sg_ring_end(room.ring);
	await(&slow.ended);
	for (int i = 0; i < 3; i++) {
		await(&quick[i].ended);
		pthread_join(quick[i].thread, NULL);
		quick[i].drained = false;
		assert_int_equal(assert_whole_frames(&quick[i], SIZE, 8, &jumps), FRAMES);
		assert_int_equal(jumps, 0);
		assert_int_equal(quick[i].stats.frames_skipped, 0);
		viewer_close(&quick[i]);
	}
	pthread_join(slow.thread, NULL);
	slow.drained = false;
	unsigned seen = assert_whole_frames(&slow, SIZE, 8, &jumps);
	assert_int_equal(jumps, 1);
	assert_true(seen < 64);
	assert_int_equal(slow.stats.frames_sent, seen);
	assert_int_equal(seen + slow.stats.frames_skipped, FRAMES);
	viewer_close(&slow);
	room_close(&room);
}

/* All of 40 frames are kept, but those before the key 32 came long ago; `config` is a codec configuration. Answers how
 * often it jumped. */
static unsigned jumps_of_one_behind(uint32_t config)
{
	enum { SIZE = 50000 };
	struct room room;
	struct viewer v = { 0 };
	unsigned jumps;

	room_open(&room, 0, 256);
	viewer_open(&room, &v, SG_FORM_RAW, 30000);
	for (uint32_t i = 0; i < 40; i++) {
		struct sg_frame *f = numbered_frame(
		    SG_FRAME_VIDEO, i == config ? SG_FRAME_CONFIG : i % 8 ? 0 : KEY, i, SIZE);
		if (i < 32)
			f->arrived_us -= (SG_FOLLOWER_BEHIND_MS + 1000) * 1000ll;
		sg_ring_write(room.ring, f);
	}
	sg_ring_end(room.ring);
	settle(&room);
	drain_on_thread(&v);
	await(&v.ended);
	pthread_join(v.thread, NULL);
	v.drained = false;
	unsigned seen = assert_whole_frames(&v, SIZE, 8, &jumps);
	assert_true(seen < 32);
	assert_int_equal(seen + v.stats.frames_skipped, 40);
	viewer_close(&v);
	room_close(&room);
	return jumps;
}

static void one_that_is_seconds_behind_goes_on_at_the_newest_keyframe(void **state)
{
	(void)state;
	assert_int_equal(jumps_of_one_behind(UINT32_MAX), 1);
}

static void one_that_jumps_gets_the_configuration_that_it_jumped_over(void **state)
{
	(void)state;
	assert_int_equal(jumps_of_one_behind(24), 2); /* to it, and from it to the keyframe */
}

static void one_that_is_a_little_behind_gets_everything(void **state)
{
	enum { SIZE = 50000 };
	struct room room;
	struct viewer v = { 0 };
	unsigned jumps;

	(void)state;
	room_open(&room, 0, 2048);
	viewer_open(&room, &v, SG_FORM_RAW, 30000);
	write_video(&room, 1200, 8, SIZE); /* more than is read in one turn */
	sg_ring_end(room.ring);
	settle(&room);
	drain_on_thread(&v);
	await(&v.ended);
	pthread_join(v.thread, NULL);
	v.drained = false;
	assert_int_equal(assert_whole_frames(&v, SIZE, 8, &jumps), 1200);
	assert_int_equal(jumps, 0);
	viewer_close(&v);
	room_close(&room);
}

static void one_with_a_long_way_to_go_gets_there_in_several_turns(void **state)
{
	struct room room;
	struct viewer v = { 0 };
	unsigned jumps;

	(void)state;
	room_open(&room, 0, 2048);
	write_video(&room, 1500, 8, 40); /* its socket would take more than one turn writes */
	viewer_open(&room, &v, SG_FORM_RAW, 0);
	assert_true(stats_of(&v)->frames_sent >= 1024);
	drain_on_thread(&v);
	sg_ring_end(room.ring);
	await(&v.ended);
	pthread_join(v.thread, NULL);
	v.drained = false;
	assert_int_equal(assert_whole_frames(&v, 40, 8, &jumps), 1500);
	assert_int_equal(jumps, 0);
	viewer_close(&v);
	room_close(&room);
}

static void a_loop_that_was_late_counts_what_its_followers_missed(void **state)
{
	struct room room;
	struct viewer v = { 0 };
	struct held held;
	struct sg_fanout_stats stats;

	(void)state;
	room_open(&room, 0, 16);
	viewer_open(&room, &v, SG_FORM_RAW, 0);
	hold(&room, &held);
	write_video(&room, 100, 8, 100); /* the newest key is 96 */
	sg_ring_end(room.ring);
	sem_post(&held.leave);
	await(&v.ended);
	assert_true(take(&v, 400));
	assert_no_more(&v);
	assert_int_equal(v.got.p[3], 96);
	assert_int_equal(v.stats.frames_sent, 4);
	assert_int_equal(v.stats.frames_skipped, 96);
	sg_fanout_stats(room.fo, &stats);
	assert_int_equal(stats.skipped, 96);
	viewer_close(&v);
	room_close(&room);
}

static void one_that_takes_nothing_is_ended_as_stalled(void **state)
{
	struct room room;
	struct viewer v = { .cfg.stall_ms = 1 }, quick = { .cfg.stall_ms = 1 },
		      patient = { .cfg.stall_ms = 60000 };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RAW, 30000);
	viewer_open(&room, &patient, SG_FORM_RAW, 30000);
	viewer_open(&room, &quick, SG_FORM_RAW, 0);
	drain_on_thread(&quick);
	write_video(&room, 20, 8, 50000);
	await(&v.ended);
	assert_int_equal(v.why, SG_FOLLOWER_STALLED);
	settle(&room);
	assert_int_equal(patient.times_ended, 0);
	assert_int_equal(quick.times_ended, 0);
	await_bytes(&quick, 20 * 50000);
	viewer_close(&v);
	viewer_close(&patient);
	viewer_close(&quick);
	room_close(&room);
}

static void one_whose_socket_breaks_is_told_so_once(void **state)
{
	struct room room;
	struct viewer v = { .stays_open = true }, other = { 0 };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_FLV, 0);
	viewer_open(&room, &other, SG_FORM_RAW, 0);
	shutdown(v.fd[1], SHUT_RDWR);
	write_video(&room, 1, 1, 1000);
	await(&v.ended);
	assert_int_equal(v.why, SG_FOLLOWER_BROKEN);
	write_video(&room, 2, 1, 1000);
	sg_ring_end(room.ring);
	await(&other.ended);
	assert_true(take(&other, 3000));
	assert_int_equal(v.times_ended, 1);
	assert_int_equal(other.why, SG_FOLLOWER_STREAM_ENDED);
	viewer_close(&v);
	viewer_close(&other);
	room_close(&room);
}

/* ---- the owner's own bytes ---- */

static void own_bytes_go_out_at_a_frames_boundary(void **state)
{
	enum { SIZE = 100000 };
	struct room room;
	struct viewer v = { 0 };
	unsigned jumps;

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RAW, 30000);
	assert_int_equal(send_own(&v, "hello", 5), SG_OK); /* at once, when nothing waits */
	assert_true(take(&v, 5));
	assert_memory_equal(v.got.p, "hello", 5);
	sg_buf_reset(&v.got);
	write_video(&room, 1, 8, SIZE);
	settle(&room); /* the frame is begun, and the socket full */
	assert_int_equal(send_own(&v, "<one>", 5), SG_OK);
	assert_int_equal(send_own(&v, "<two>", 5), SG_OK);
	write_video(&room, 3, 8, SIZE);
	sg_ring_end(room.ring);
	assert_true(take(&v, 4 * SIZE + 10));
	await(&v.ended);
	assert_no_more(&v);
	assert_memory_equal(v.got.p + SIZE, "<one><two>", 10);
	memmove(v.got.p + SIZE, v.got.p + SIZE + 10, 3 * SIZE);
	v.got.len -= 10;
	assert_int_equal(assert_whole_frames(&v, SIZE, 8, &jumps), 4);
	assert_int_equal(jumps, 0);
	viewer_close(&v);
	room_close(&room);
}

static void own_bytes_that_pile_up_are_refused(void **state)
{
	static char block[16384];
	struct room room;
	struct viewer v = { 0 };
	unsigned taken = 0;

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RAW, 30000);
	write_video(&room, 1, 8, 1000000);
	settle(&room);
	while (taken < 100 && send_own(&v, block, sizeof(block)) == SG_OK)
		taken++;
	assert_int_equal(taken, 4); /* 64 KiB */
	viewer_close(&v);
	room_close(&room);
}

/* ---- pausing ---- */

static void a_paused_follower_gets_nothing_and_goes_on_at_a_keyframe(void **state)
{
	struct room room;
	struct viewer v = { 0 };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RAW, 0);
	write_video(&room, 2, 10, 100);
	assert_true(take(&v, 200));
	pause_viewer(&v, true);
	write_video(&room, 23, 10, 100); /* keys at 10 and 20 */
	settle(&room);
	assert_no_more(&v);
	assert_int_equal(send_own(&v, "pong", 4), SG_OK); /* the owner's still go */
	assert_true(take(&v, 204));
	assert_memory_equal(v.got.p + 200, "pong", 4);
	pause_viewer(&v, false);
	write_video(&room, 2, 10, 100);
	assert_true(take(&v, 204 + 7 * 100));
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(v.got.p[204 + i * 100 + 3], 20 + i);
	sg_ring_end(room.ring);
	await(&v.ended);
	assert_no_more(&v);
	viewer_close(&v);
	room_close(&room);
}

static void a_paused_follower_gets_the_configuration_that_came_meanwhile(void **state)
{
	struct room room;
	struct viewer v = { 0 };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RAW, 0);
	write_video(&room, 2, 10, 100);
	assert_true(take(&v, 200));
	pause_viewer(&v, true);
	sg_ring_write(room.ring, numbered_frame(SG_FRAME_VIDEO, SG_FRAME_CONFIG, 99, 100));
	write_video(&room, 11, 10, 100); /* keys at 0 and 10 */
	settle(&room);
	pause_viewer(&v, false);
	assert_true(take(&v, 200 + 4 * 100));
	assert_int_equal(v.got.p[200 + 3], 99);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(v.got.p[300 + i * 100 + 3], 10 + i);
	viewer_close(&v);
	room_close(&room);
}

static void a_paused_follower_learns_of_the_end(void **state)
{
	struct room room;
	struct viewer idle = { 0 }, full = { 0 };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &idle, SG_FORM_RAW, 0);
	viewer_open(&room, &full, SG_FORM_RAW, 30000);
	write_video(&room, 1, 10, 100000);
	assert_true(take(&idle, 100000));
	pause_viewer(&idle, true);
	pause_viewer(&full, true);
	sg_ring_end(room.ring);
	await(&idle.ended);
	assert_int_equal(idle.why, SG_FOLLOWER_STREAM_ENDED);
	assert_int_equal(full.times_ended, 0); /* it owes the rest of a frame */
	assert_true(take(&full, 100000));
	await(&full.ended);
	assert_int_equal(full.why, SG_FOLLOWER_STREAM_ENDED);
	viewer_close(&idle);
	viewer_close(&full);
	room_close(&room);
}

/* ---- ends ---- */

static void the_end_is_told_once_after_everything_is_written(void **state)
{
	struct room room;
	struct viewer v = { .stays_open = true };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RAW, 30000);
	write_video(&room, 5, 8, 100000);
	sg_ring_end(room.ring);
	settle(&room);
	assert_int_equal(v.times_ended, 0); /* most of it is still to be written */
	assert_true(take(&v, 5 * 100000));
	await(&v.ended);
	settle(&room);
	assert_int_equal(v.times_ended, 1);
	assert_int_equal(v.why, SG_FOLLOWER_STREAM_ENDED);
	assert_no_more(&v);
	viewer_close(&v);
	room_close(&room);
}

static void one_that_joins_after_the_end_gets_what_is_kept_and_is_told(void **state)
{
	struct room room;
	struct viewer first = { 0 }, second = { 0 }, gone = { .cfg.cursor = 4 };

	(void)state;
	room_open(&room, 0, 64);
	write_video(&room, 4, 8, 100);
	sg_ring_end(room.ring);
	viewer_open(&room, &first, SG_FORM_RAW, 0);
	viewer_open(&room, &second, SG_FORM_RAW, 0);
	viewer_open(&room, &gone, SG_FORM_RAW, 0);
	assert_true(take(&first, 400));
	assert_true(take(&second, 400));
	await(&first.ended);
	await(&second.ended);
	await(&gone.ended);
	assert_no_more(&gone);
	viewer_close(&first);
	viewer_close(&second);
	viewer_close(&gone);
	room_close(&room);
}

static struct viewer *pair[2];

static void end_both(void *user, enum sg_follower_end why)
{
	(void)why;
	shut(pair[0]);
	shut(pair[1]);
	sem_post(&((struct viewer *)user)->ended);
}

static void closing_others_inside_ended_is_allowed(void **state)
{
	struct room room;
	struct viewer a, b;

	(void)state;
	room_open(&room, 0, 64);
	pair[0] = &a;
	pair[1] = &b;
	a = (struct viewer){ .room = &room, .cfg = { .ring = room.ring, .ended = end_both, .user = &a } };
	b = (struct viewer){ .room = &room, .cfg = { .ring = room.ring, .ended = end_both, .user = &a } };
	sem_init(&a.ended, 0, 0);
	make_sockets(&a, 0);
	make_sockets(&b, 0);
	sg_loop_call(room.loop, open_follower, &a);
	sg_loop_call(room.loop, open_follower, &b);
	sg_ring_end(room.ring);
	await(&a.ended);
	settle(&room);
	assert_int_equal(sem_trywait(&a.ended), -1); /* the other was closed, so it is told nothing */
	close(a.fd[1]);
	close(b.fd[1]);
	room_close(&room);
}

static void end_and_close_all(void *user)
{
	struct viewer *v = user;

	assert_int_equal(sg_follower_send(v->f, "x", 1), SG_OK); /* which fails: it is to be told */
	shut(v);
	sg_fanout_close(v->room->fo);
	v->room->fo = NULL;
}

static void a_follower_and_its_fanout_close_before_the_end_is_told(void **state)
{
	struct room room;
	struct viewer v = { 0 };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RAW, 0);
	shutdown(v.fd[1], SHUT_RDWR);
	sg_loop_call(room.loop, end_and_close_all, &v);
	settle(&room);
	assert_int_equal(v.times_ended, 0);
	viewer_close(&v);
	room_close(&room);
}

static void write_and_shut(void *user)
{
	struct viewer *v = user;

	write_video(v->room, 1, 1, 100);
	shut(v);
}

static void a_follower_closes_while_news_of_a_frame_are_on_their_way(void **state)
{
	struct room room;
	struct viewer v = { 0 };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RAW, 0);
	settle(&room);
	sg_loop_call(room.loop, write_and_shut, &v);
	settle(&room);
	assert_no_more(&v);
	viewer_close(&v);
	room_close(&room);
}

static void followers_come_and_go_while_frames_are_written(void **state)
{
	struct room room;
	struct sg_fanout_stats stats;

	(void)state;
	room_open(&room, 0, 64);
	for (int round = 0; round < 100; round++) {
		struct viewer v[2] = { 0 };
		v[0].cfg.cursor = v[1].cfg.cursor = sg_ring_start(room.ring);
		viewer_open(&room, &v[0], SG_FORM_FLV, 0);
		viewer_open(&room, &v[1], SG_FORM_RTMP, 30000);
		write_video(&room, 3, 8, 30000);
		viewer_close(&v[round % 2]);
		write_video(&room, 1, 8, 1000);
		viewer_close(&v[1 - round % 2]);
	}
	sg_fanout_stats(room.fo, &stats);
	assert_int_equal(stats.followers, 0);
	room_close(&room);
	sg_follower_close(NULL);
	sg_fanout_close(NULL);
}

/* Those for which nothing has to be kept up one by one. */
static void those_who_stand_together_go_in_any_order(void **state)
{
	enum { SIZE = 1000, VIEWERS = 6 };
	struct room room;
	struct viewer v[VIEWERS] = { 0 };

	(void)state;
	room_open(&room, 0, 256);
	for (int i = 0; i < VIEWERS; i++)
		viewer_open(&room, &v[i], SG_FORM_RAW, 0);
	for (int turn = 0; turn < 3; turn++) {
		write_video(&room, 10, 10, SIZE);
		settle(&room);
	}
	for (int i = 0; i < VIEWERS; i++) {
		assert_true(take(&v[i], 30 * SIZE));
		assert_int_equal(stats_of(&v[i])->frames_sent, 30);
		assert_int_equal(v[i].stats.bytes_sent, 30 * SIZE);
		assert_int_equal(v[i].stats.frames_skipped, 0);
	}
	viewer_close(&v[1]);
	pause_viewer(&v[3], true);
	assert_int_equal(send_own(&v[0], "pong", 4), SG_OK);
	close(v[4].fd[1]); /* its socket breaks in the middle of the row */
	v[4].fd[1] = -1;
	write_video(&room, 15, 10, SIZE); /* a keyframe at 40 */
	await(&v[4].ended);
	assert_int_equal(atomic_load(&v[4].why), SG_FOLLOWER_BROKEN);
	pause_viewer(&v[3], false);
	write_video(&room, 5, 10, SIZE);
	settle(&room);
	const int left[] = { 0, 2, 3, 5 };
	const uint64_t frames[] = { 50, 50, 40, 50 };
	for (int i = 0; i < 4; i++) {
		struct viewer *w = &v[left[i]];
		size_t own = left[i] == 0 ? 4 : 0;
		assert_true(take(w, frames[i] * SIZE + own));
		assert_int_equal(stats_of(w)->frames_sent, frames[i]);
		assert_int_equal(w->stats.bytes_sent, frames[i] * SIZE + own);
		assert_int_equal(w->got.p[w->got.len - SIZE + 3], 49);
		assert_no_more(w);
	}
	sg_ring_end(room.ring);
	for (int i = 0; i < 4; i++)
		await(&v[left[i]].ended);
	for (int i = 0; i < VIEWERS; i++)
		if (i != 1)
			viewer_close(&v[i]);
	room_close(&room);
}

static void configurations_and_metadata_are_not_the_first_media(void **state)
{
	struct room room;
	struct viewer v[2] = { 0 };
	struct sg_frame *lead[2] = { numbered_frame(SG_FRAME_META, 0, 1, 30),
		numbered_frame(SG_FRAME_VIDEO, CONFIG, 2, 30) };

	(void)state;
	room_open(&room, 0, 64);
	for (int i = 0; i < 2; i++) {
		v[i].cfg.lead = lead;
		v[i].cfg.lead_count = 2;
		viewer_open(&room, &v[i], SG_FORM_RAW, 0);
		assert_true(take(&v[i], 60));
		assert_false(stats_of(&v[i])->first_media_sent);
		assert_int_equal(stats_of(&v[i])->frames_sent, 2);
	}
	sg_frame_unref(write_frame(&room, SG_FRAME_VIDEO, CONFIG, 30));
	assert_true(take(&v[0], 90));
	assert_false(stats_of(&v[0])->first_media_sent);
	write_video(&room, 1, 1, 30);
	assert_true(take(&v[0], 120));
	assert_true(stats_of(&v[0])->first_media_sent);
	for (int i = 0; i < 2; i++) {
		viewer_close(&v[i]);
		sg_frame_unref(lead[i]);
	}
	room_close(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(followers_get_lead_and_frames_byte_for_byte),
		cmocka_unit_test(so_do_many_followers),
		cmocka_unit_test(those_who_join_later_begin_at_their_cursor),
		cmocka_unit_test(rings_on_one_loop_do_not_mix),
		cmocka_unit_test(a_frame_that_is_cut_anywhere_goes_on_there),
		cmocka_unit_test(one_that_does_not_read_is_moved_to_a_keyframe_and_the_others_get_all),
		cmocka_unit_test(one_that_is_seconds_behind_goes_on_at_the_newest_keyframe),
		cmocka_unit_test(one_that_jumps_gets_the_configuration_that_it_jumped_over),
		cmocka_unit_test(one_that_is_a_little_behind_gets_everything),
		cmocka_unit_test(one_with_a_long_way_to_go_gets_there_in_several_turns),
		cmocka_unit_test(a_loop_that_was_late_counts_what_its_followers_missed),
		cmocka_unit_test(one_that_takes_nothing_is_ended_as_stalled),
		cmocka_unit_test(one_whose_socket_breaks_is_told_so_once),
		cmocka_unit_test(own_bytes_go_out_at_a_frames_boundary),
		cmocka_unit_test(own_bytes_that_pile_up_are_refused),
		cmocka_unit_test(a_paused_follower_gets_nothing_and_goes_on_at_a_keyframe),
		cmocka_unit_test(a_paused_follower_gets_the_configuration_that_came_meanwhile),
		cmocka_unit_test(a_paused_follower_learns_of_the_end),
		cmocka_unit_test(the_end_is_told_once_after_everything_is_written),
		cmocka_unit_test(one_that_joins_after_the_end_gets_what_is_kept_and_is_told),
		cmocka_unit_test(closing_others_inside_ended_is_allowed),
		cmocka_unit_test(a_follower_and_its_fanout_close_before_the_end_is_told),
		cmocka_unit_test(a_follower_closes_while_news_of_a_frame_are_on_their_way),
		cmocka_unit_test(followers_come_and_go_while_frames_are_written),
		cmocka_unit_test(those_who_stand_together_go_in_any_order),
		cmocka_unit_test(configurations_and_metadata_are_not_the_first_media),
	};

	return cmocka_run_group_tests_name("fanout", tests, NULL, NULL);
}
