/* Feeds the readers of the small texts: base64url, ids, durations, times, names; and the one that
 * takes secrets out. */
#include "base/log.h"
#include "base/text.h"
#include <stdlib.h>

#define TOKEN "AZP5nq2_cQ8tVn4-xJf0aBcDeFgHiJkL"

static void check_codes(struct sg_str s)
{
	uint8_t raw[24];
	char text[SG_BASE64URL_SIZE(sizeof(raw))], id_text[SG_ID_TEXT_SIZE];
	uint64_t id;

	for (size_t len = 0; len <= sizeof(raw); len++) {
		if (!sg_base64url_decode(raw, len, s))
			continue;
		sg_base64url_encode(text, raw, len);
		if (!sg_str_is(s, text))
			abort();
	}
	if (sg_id_parse(s, &id)) {
		sg_id_format(id_text, id);
		if (!sg_str_is(s, id_text))
			abort();
	}
}

static void check_times(struct sg_str s)
{
	char duration[24], time[SG_TIME_TEXT_SIZE];
	int64_t ms, at, back;

	if (sg_duration_parse(s, &ms)) {
		sg_duration_format(duration, sizeof(duration), ms);
		if (ms < 0 || !sg_duration_parse(sg_str_from(duration), &back) || back != ms)
			abort();
	}
	if (sg_time_parse(s, &at)) {
		sg_time_format(time, at);
		if (!sg_time_parse(sg_str_from(time), &back) || back != at)
			abort();
	}
}

static void check_names(struct sg_str s)
{
	static const char *const words[] = {"listen", "tls_listen", "play_token"};

	if (sg_app_is_valid(s) && !sg_str_is_utf8(s))
		abort();
	if (sg_stream_is_valid(s) && memchr(s.p, '/', s.len))
		abort();
	(void)sg_nearest(s, words, 3);
}

/* A token as a word of its own is hidden whatever stands before it, and what was cleaned once stays
 * as it is. */
static void check_redaction(struct sg_str s)
{
	size_t in_size = s.len + sizeof(" " TOKEN " "), out_size = 16 * in_size;
	char *in = malloc(in_size), *out = malloc(out_size), *again = malloc(out_size), tiny[7];

	if (in && out && again) {
		if (s.len)
			memcpy(in, s.p, s.len);
		memcpy(in + s.len, " " TOKEN " ", sizeof(" " TOKEN " "));
		sg_redact(out, out_size, (struct sg_str){in, in_size - 1});
		if (strstr(out, TOKEN) && !memmem(s.p, s.len, TOKEN, 16))
			abort();
		sg_redact(again, out_size, sg_str_from(out));
		/* A NUL is shown as '?', which may have another meaning. */
		if (strcmp(out, again) != 0 && !memchr(in, 0, in_size - 1))
			abort();
		sg_redact(tiny, sizeof(tiny), s);
		if (strlen(tiny) >= sizeof(tiny))
			abort();
	}
	free(in);
	free(out);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its own, so that a read past the end is seen. */
	char *copy = malloc(size ? size : 1);
	struct sg_str s = {copy, size};

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	check_codes(s);
	check_times(s);
	check_names(s);
	check_redaction(s);
	free(copy);
	return 0;
}
