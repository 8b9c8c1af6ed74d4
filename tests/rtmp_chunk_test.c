/* Chunk streams, RTMP 1.0 section 5.3. The vectors are wire bytes written out by hand, those of section
 * 5.3.2 among them; every one is read whole, cut at every length, and byte by byte. */
#include "rtmp/chunk.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SEEN_MAX 64
#define WIRE_MAX 8192
#define LIMIT (1u << 20)

/* ---- wire bytes ----
 * Text is hex with blanks anywhere; "[a128]" is the next 128 bytes of a body called a. */

struct wire {
	uint8_t p[WIRE_MAX];
	size_t len;
};

static uint8_t body_byte(char name, size_t at)
{
	return (uint8_t)(name * 31 + at * 7 + at / 256);
}

static struct wire wire_of(const char *text)
{
	struct wire w = { .len = 0 };
	size_t at[128] = { 0 };

	while (*text) {
		char name;
		unsigned n, byte;
		int used;
		if (isspace((unsigned char)*text)) {
			text++;
		} else if (sscanf(text, "[%c%u]%n", &name, &n, &used) == 2) {
			assert_true(w.len + n <= sizeof(w.p));
			while (n--)
				w.p[w.len++] = body_byte(name, at[(int)name]++);
			text += used;
		} else {
			assert_int_equal(sscanf(text, "%2x%n", &byte, &used), 1);
			assert_true(w.len < sizeof(w.p));
			w.p[w.len++] = (uint8_t)byte;
			text += used;
		}
	}
	return w;
}

/* ---- reading ---- */

struct seen {
	uint8_t type;
	uint32_t timestamp, stream_id;
	size_t len;
	uint8_t body[1024];
};

struct run {
	struct sg_rtmp_chunks c;
	enum sg_result res; /* of the last call */
	const char *why;
	size_t count;
	struct seen seen[SEEN_MAX];
};

/* Feeds what is before `end` and was not taken yet; from a copy, so that a read past it is seen. */
static size_t feed(struct run *r, const uint8_t *p, size_t taken, size_t end)
{
	uint8_t *copy = malloc(end - taken ? end - taken : 1);
	struct sg_reader in = { copy, end - taken };
	struct sg_rtmp_message m;

	assert_non_null(copy);
	memcpy(copy, p + taken, end - taken);
	while ((r->res = sg_rtmp_chunks_read(&r->c, &in, &m, &r->why)) == SG_OK) {
		assert_true(r->count < SEEN_MAX && m.body.left <= sizeof(r->seen[0].body));
		struct seen *s = &r->seen[r->count++];
		*s = (struct seen){ m.type, m.timestamp, m.stream_id, m.body.left, { 0 } };
		if (m.body.left)
			memcpy(s->body, m.body.p, m.body.left);
	}
	if (r->res == SG_NEED_MORE)
		assert_true(in.left <= 18);
	assert_true(r->c.claimed <= r->c.max_message + SG_RTMP_SMALL_MESSAGE_MAX);
	free(copy);
	return end - in.left;
}

static struct run *begin_run(void)
{
	struct run *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	sg_rtmp_chunks_init(&r->c);
	r->c.max_message = LIMIT;
	return r;
}

static void end_run(struct run *r)
{
	sg_rtmp_chunks_reset(&r->c);
	free(r);
}

static struct run *read_whole(const struct wire *w)
{
	struct run *r = begin_run();

	feed(r, w->p, 0, w->len);
	return r;
}

/* ---- vectors ---- */

struct want {
	uint8_t type;
	uint32_t timestamp, stream_id, len;
	char body; /* which, 0 = not looked at */
};

struct vector {
	const char *what, *wire;
	struct want want[8]; /* up to type 0 */
};

static const struct vector vectors[] = {
	{ "section 5.3.2.1: audio messages, headers of types 0, 2, 3, 3",
	    "03 0003e8 000020 08 39300000 [a32]  83 000014 [a32]  c3 [a32]  c3 [a32]",
	    { { 8, 1000, 12345, 32, 'a' }, { 8, 1020, 12345, 32, 'a' }, { 8, 1040, 12345, 32, 'a' },
		{ 8, 1060, 12345, 32, 'a' } } },
	{ "section 5.3.2.2: a video message in three chunks",
	    "04 0003e8 000133 09 3a300000 [a128]  c4 [a128]  c4 [a51]",
	    { { 9, 1000, 12346, 307, 'a' } } },
	{ "type 1: another length and type, the same message stream",
	    "03 000064 000004 08 01000000 [a4]  43 000005 000006 09 [a6]  c3 [a6]",
	    { { 8, 100, 1, 4, 'a' }, { 9, 105, 1, 6, 'a' }, { 9, 110, 1, 6, 'a' } } },
	{ "type 3 after type 0: the difference is that timestamp (5.3.1.2.4)",
	    "03 000064 000004 08 01000000 [a4]  c3 [a4]",
	    { { 8, 100, 1, 4, 'a' }, { 8, 200, 1, 4, 'a' } } },
	{ "type 0 sets back", "03 000064 000002 08 01000000 [a2]  03 00000a 000002 08 02000000 [a2]",
	    { { 8, 100, 1, 2, 'a' }, { 8, 10, 2, 2, 'a' } } },
	{ "type 1 first, as librtmp sends its pings", "42 000000 000006 04 000700000001",
	    { { 4, 0, 0, 6, 0 } } },
	{ "ids of one byte", "02 000000 000001 08 01000000 [a1]  3f 000001 000001 09 01000000 [b1]"
			     "c2 [a1]  ff [b1]",
	    { { 8, 0, 1, 1, 'a' }, { 9, 1, 1, 1, 'b' }, { 8, 0, 1, 1, 'a' }, { 9, 2, 1, 1, 'b' } } },
	{ "ids of two bytes, 64 and 319",
	    "0000 000000 000001 08 01000000 [a1]  00ff 000001 000001 09 01000000 [b1]"
	    "c000 [a1]  c0ff [b1]",
	    { { 8, 0, 1, 1, 'a' }, { 9, 1, 1, 1, 'b' }, { 8, 0, 1, 1, 'a' }, { 9, 2, 1, 1, 'b' } } },
	{ "ids of three bytes, 320 and 65599, low byte first",
	    "010001 000000 000001 08 01000000 [a1]  01ffff 000001 000001 09 01000000 [b1]"
	    "c10001 [a1]  c1ffff [b1]",
	    { { 8, 0, 1, 1, 'a' }, { 9, 1, 1, 1, 'b' }, { 8, 0, 1, 1, 'a' }, { 9, 2, 1, 1, 'b' } } },
	{ "an id is a number, however long its form",
	    "0005 000000 000082 08 01000000 [a128]  c10500 [a2]", { { 8, 0, 1, 130, 'a' } } },
	{ "an extended timestamp", "03 ffffff 000004 08 01000000 01020304 [a4]",
	    { { 8, 0x01020304, 1, 4, 'a' } } },
	{ "the smallest extended timestamp", "03 ffffff 000004 08 01000000 00ffffff [a4]",
	    { { 8, 0xffffff, 1, 4, 'a' } } },
	{ "an extended timestamp, repeated in a continuation",
	    "03 ffffff 000102 09 01000000 01020304 [a128]  c3 01020304 [a128]  c3 01020304 [a2]",
	    { { 9, 0x01020304, 1, 258, 'a' } } },
	{ "an extended timestamp, not repeated",
	    "03 ffffff 000104 09 01000000 01020304 [a128]  c3 [a128]  c3 [a4]",
	    { { 9, 0x01020304, 1, 260, 'a' } } },
	{ "not repeated, and the last chunk is shorter than the field would be",
	    "03 ffffff 000081 09 01000000 01020304 [a128]  c3 [a1]", { { 9, 0x01020304, 1, 129, 'a' } } },
	{ "an extended difference, then type 3 with it",
	    "03 000001 000002 08 01000000 [a2]  83 ffffff 01000000 [a2]  c3 01000000 [a2]",
	    { { 8, 1, 1, 2, 'a' }, { 8, 0x01000001, 1, 2, 'a' }, { 8, 0x02000001, 1, 2, 'a' } } },
	{ "after an extended timestamp a plain one",
	    "03 ffffff 000002 08 01000000 01000000 [a2]  83 000005 [a2]  c3 [a2]",
	    { { 8, 0x01000000, 1, 2, 'a' }, { 8, 0x01000005, 1, 2, 'a' },
		{ 8, 0x0100000a, 1, 2, 'a' } } },
	{ "the timestamp wraps at 32 bits",
	    "03 ffffff 000002 08 01000000 fffffffe [a2]  83 000005 [a2]",
	    { { 8, 0xfffffffe, 1, 2, 'a' }, { 8, 3, 1, 2, 'a' } } },
	{ "interleaved chunk streams",
	    "04 000001 000102 09 01000000 [a128]  05 000002 000081 08 01000000 [b128]"
	    "c4 [a128]  c5 [b1]  c4 [a2]",
	    { { 8, 2, 1, 129, 'b' }, { 9, 1, 1, 258, 'a' } } },
	{ "a larger chunk size", "02 000000 000004 01 00000000 00000100"
				 "04 000001 000100 09 01000000 [a256]",
	    { { 1, 0, 0, 4, 0 }, { 9, 1, 1, 256, 'a' } } },
	{ "a smaller chunk size", "02 000000 000004 01 00000000 00000002"
				  "04 000001 000005 09 01000000 [a2] c4 [a2] c4 [a1]",
	    { { 1, 0, 0, 4, 0 }, { 9, 1, 1, 5, 'a' } } },
	{ "a chunk size that changes inside a message",
	    "04 000001 00012c 09 01000000 [a128]  02 000000 000004 01 00000000 00000010"
	    "c4 [a16]  c2 00000400  c4 [a156]",
	    { { 1, 0, 0, 4, 0 }, { 1, 0, 0, 4, 0 }, { 9, 1, 1, 300, 'a' } } },
	{ "the largest chunk size", "02 000000 000004 01 00000000 7fffffff"
				    "04 000001 000200 09 01000000 [a512]",
	    { { 1, 0, 0, 4, 0 }, { 9, 1, 1, 512, 'a' } } },
	{ "an abort, then the next message of that chunk stream",
	    "04 000001 000102 09 01000000 [a128]  02 000000 000004 02 00000000 00000004"
	    "04 000007 000003 09 01000000 [b3]",
	    { { 2, 0, 0, 4, 0 }, { 9, 7, 1, 3, 'b' } } },
	{ "an abort, then type 3: a new message with the former header",
	    "04 000001 000082 09 01000000 [a128]  02 000000 000004 02 00000000 00000004"
	    "c4 [b128]  c4 [b2]",
	    { { 2, 0, 0, 4, 0 }, { 9, 2, 1, 130, 'b' } } },
	{ "an abort of what is not there, and of its own chunk stream",
	    "02 000000 000004 02 00000000 00000009  c2 00000002  04 000000 000001 08 00000000 [a1]",
	    { { 2, 0, 0, 4, 0 }, { 2, 0, 0, 4, 0 }, { 8, 0, 0, 1, 'a' } } },
	{ "messages of no length", "03 000005 000000 08 01000000  c3  83 000001  03 000000 000001 08"
				   "01000000 [a1]",
	    { { 8, 5, 1, 0, 'b' }, { 8, 10, 1, 0, 'b' }, { 8, 11, 1, 0, 'b' }, { 8, 0, 1, 1, 'a' } } },
};

/* Did the run see what the vector says? */
static void check(const struct vector *v, const struct run *r, size_t cut)
{
	size_t at[128] = { 0 }, i = 0;

	if (r->res != SG_NEED_MORE)
		fail_msg("%s, cut at %zu: %s: %s", v->what, cut, sg_result_text(r->res), r->why);
	for (; v->want[i].type; i++) {
		const struct want *w = &v->want[i];
		const struct seen *s = &r->seen[i];
		if (i >= r->count || s->type != w->type || s->timestamp != w->timestamp ||
		    s->stream_id != w->stream_id || s->len != w->len)
			fail_msg("%s, cut at %zu: message %zu of %zu: type %u, %u ms, stream %u, %zu bytes",
			    v->what, cut, i, r->count, s->type, s->timestamp, s->stream_id, s->len);
		for (size_t b = 0; w->body && b < s->len; b++)
			if (s->body[b] != body_byte(w->body, at[(int)w->body]++))
				fail_msg("%s, cut at %zu: message %zu differs", v->what, cut, i);
	}
	if (r->count != i)
		fail_msg("%s, cut at %zu: %zu messages", v->what, cut, r->count);
	assert_int_equal(r->c.claimed, 0);
}

/* ---- the claims ---- */

static void every_vector_gives_its_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct wire w = wire_of(vectors[i].wire);
		struct run *r = read_whole(&w);
		check(&vectors[i], r, w.len);
		end_run(r);
	}
}

static void cut_at_every_length_it_gives_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct wire w = wire_of(vectors[i].wire);
		for (size_t cut = 0; cut < w.len; cut++) {
			struct run *r = begin_run();
			size_t taken = feed(r, w.p, 0, cut);
			assert_int_equal(r->res, SG_NEED_MORE);
			feed(r, w.p, taken, w.len);
			check(&vectors[i], r, cut);
			end_run(r);
		}
	}
}

static void byte_by_byte_it_gives_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct wire w = wire_of(vectors[i].wire);
		struct run *r = begin_run();
		size_t taken = 0;
		for (size_t end = 1; end <= w.len; end++)
			taken = feed(r, w.p, taken, end);
		check(&vectors[i], r, 1);
		end_run(r);
	}
}

static void a_bit_that_flips_never_passes_the_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct wire w = wire_of(vectors[i].wire);
		for (size_t bit = 0; bit < w.len * 8; bit++) {
			w.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			struct run *r = read_whole(&w); /* which looks at what is claimed */
			assert_true(r->c.count <= SG_RTMP_CHUNK_STREAMS_MAX);
			end_run(r);
			w.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void what_is_wrong_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *wire;
		enum sg_result res;
		const char *why;
	} rows[] = {
		{ "04 000000 ffffff 09 01000000", SG_ERR_LIMIT, "larger than is allowed" },
		{ "04 000000 100001 09 01000000", SG_ERR_LIMIT, "larger than is allowed" },
		{ "04 000000 010001 14 00000000", SG_ERR_LIMIT, "larger than is allowed" },
		{ "04 000000 010001 12 00000000", SG_ERR_LIMIT, "larger than is allowed" },
		{ "04 000000 100000 09 01000000 [a128]  05 000000 010000 14 00000000 [b128]"
		  "06 000000 000001 14 00000000",
		    SG_ERR_LIMIT, "larger than is allowed" },
		{ "c3", SG_ERR_BAD_INPUT, "there was none" },
		{ "c3 00", SG_ERR_BAD_INPUT, "there was none" },
		{ "83 000000", SG_ERR_BAD_INPUT, "there was none" },
		{ "03 000000 000001 08 01000000 [a1]  c4", SG_ERR_BAD_INPUT, "there was none" },
		{ "04 000000 000100 09 01000000 [a128]  04 000000 000001 09 01000000", SG_ERR_BAD_INPUT,
		    "inside another" },
		{ "04 000000 000100 09 01000000 [a128]  44 000000 000001 09", SG_ERR_BAD_INPUT,
		    "inside another" },
		{ "04 000000 000100 09 01000000 [a128]  84 000000", SG_ERR_BAD_INPUT, "inside another" },
		{ "02 000000 000004 01 00000000 00000000", SG_ERR_BAD_INPUT, "chunk size" },
		{ "02 000000 000004 01 00000000 80000000", SG_ERR_BAD_INPUT, "chunk size" },
		{ "02 000000 000003 01 00000000 000001", SG_ERR_BAD_INPUT, "too short" },
		{ "02 000000 000000 02 00000000", SG_ERR_BAD_INPUT, "too short" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct wire w = wire_of(rows[i].wire);
		struct run *r = read_whole(&w);
		if (r->res != rows[i].res || !strstr(r->why, rows[i].why))
			fail_msg("%s: %s: %s", rows[i].wire, sg_result_text(r->res), r->why);
		end_run(r);
	}
}

static void limits_are_taken_up_to_the_last_byte(void **state)
{
	/* Media up to what the owner allows, all else up to 64 KiB, and both at once. */
	struct wire w = wire_of("04 000000 100000 09 01000000  05 000000 010000 14 00000000");
	struct run *r = begin_run();

	(void)state;
	feed(r, w.p, 0, 12);
	assert_int_equal(r->res, SG_NEED_MORE);
	assert_int_equal(r->c.claimed, LIMIT);
	end_run(r);
	r = begin_run();
	feed(r, w.p, 12, 24);
	assert_int_equal(r->res, SG_NEED_MORE);
	assert_int_equal(r->c.claimed, SG_RTMP_SMALL_MESSAGE_MAX);
	end_run(r);
}

static void an_abort_gives_back_what_was_claimed(void **state)
{
	struct wire w = wire_of("04 000000 100000 09 01000000 [a128]"
				"02 000000 000004 02 00000000 00000004  04 000000 100000 09 01000000");
	struct run *r = read_whole(&w);

	(void)state;
	assert_int_equal(r->res, SG_NEED_MORE);
	assert_int_equal(r->c.claimed, LIMIT);
	end_run(r);
}

static void chunk_streams_are_counted_to_their_limit(void **state)
{
	struct run *r = begin_run();
	struct wire w;
	char text[64];

	(void)state;
	for (unsigned id = 3; id < 3 + SG_RTMP_CHUNK_STREAMS_MAX; id++) {
		snprintf(text, sizeof(text), "%02x 000000 000001 08 01000000 00", id);
		w = wire_of(text);
		feed(r, w.p, 0, w.len);
		assert_int_equal(r->res, SG_NEED_MORE);
	}
	assert_int_equal(r->count, SG_RTMP_CHUNK_STREAMS_MAX);
	w = wire_of("03 000000 000001 08 01000000 00"); /* one that is known goes on */
	feed(r, w.p, 0, w.len);
	assert_int_equal(r->res, SG_NEED_MORE);
	snprintf(text, sizeof(text), "%02x 000000 000001 08 01000000 00", 3 + SG_RTMP_CHUNK_STREAMS_MAX);
	w = wire_of(text);
	feed(r, w.p, 0, w.len);
	assert_int_equal(r->res, SG_ERR_LIMIT);
	assert_string_equal(r->why, "too many chunk streams");
	end_run(r);
}

static void a_message_is_written_as_one_chunk_of_type_0(void **state)
{
	struct wire want = wire_of("03 000000 000102 14 04030201 [a258]"), body = wire_of("[a258]");
	struct sg_buf b;

	(void)state;
	sg_buf_init(&b, 1024);
	sg_rtmp_put_message(&b, 3, SG_RTMP_COMMAND, 0x01020304, body.p, body.len);
	assert_int_equal(b.len, want.len);
	assert_memory_equal(b.p, want.p, want.len);
	sg_buf_reset(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_gives_its_messages),
		cmocka_unit_test(cut_at_every_length_it_gives_the_same),
		cmocka_unit_test(byte_by_byte_it_gives_the_same),
		cmocka_unit_test(a_bit_that_flips_never_passes_the_limits),
		cmocka_unit_test(what_is_wrong_is_refused_with_a_reason),
		cmocka_unit_test(limits_are_taken_up_to_the_last_byte),
		cmocka_unit_test(an_abort_gives_back_what_was_claimed),
		cmocka_unit_test(chunk_streams_are_counted_to_their_limit),
		cmocka_unit_test(a_message_is_written_as_one_chunk_of_type_0),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
