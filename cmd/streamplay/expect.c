/* expect.c - "video=h264,fps>=25,latency<500ms": what was played against what should have been. */
#include "streamplay.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>

#define EXPECT_MAX 32

enum unit { UNIT_CODEC, UNIT_NUMBER, UNIT_TIME, UNIT_RATE };
enum compare { IS, IS_NOT, LESS, AT_MOST, MORE, AT_LEAST };
enum metric { VIDEO, AUDIO, WIDTH, HEIGHT, FPS, BITRATE, LATENCY, STARTUP, FRAMES, LOST, METRICS };

static const struct {
	const char *name;
	enum unit unit;
} metrics[METRICS] = {
    [VIDEO] = {"video", UNIT_CODEC},
    [AUDIO] = {"audio", UNIT_CODEC},
    [WIDTH] = {"width", UNIT_NUMBER},
    [HEIGHT] = {"height", UNIT_NUMBER},
    [FPS] = {"fps", UNIT_NUMBER},
    [BITRATE] = {"bitrate", UNIT_RATE},
    [LATENCY] = {"latency", UNIT_TIME},
    [STARTUP] = {"startup", UNIT_TIME},
    [FRAMES] = {"frames", UNIT_NUMBER},
    [LOST] = {"lost", UNIT_NUMBER},
};
/* The longer ones first: "<=" begins with "<". */
static const struct {
	const char *text;
	enum compare how;
} signs[] = {
    {"!=", IS_NOT}, {"<=", AT_MOST}, {">=", AT_LEAST}, {"<", LESS}, {">", MORE}, {"=", IS}};

struct expectation {
	enum metric metric;
	enum compare how;
	char codec[32];
	double value;
	char text[80]; /* as typed */
};

/* ---- reading the list ---- */

static int find_metric(struct sg_str name, enum metric *out)
{
	const char *names[METRICS];

	for (int i = 0; i < METRICS; i++) {
		names[i] = metrics[i].name;
		if (sg_str_is(name, names[i])) {
			*out = (enum metric)i;
			return PLAYED;
		}
	}
	const char *near = sg_nearest(name, names, METRICS);
	if (near)
		return play_fail(PLAY_USAGE, "--expect knows no '%.*s': did you mean %s?",
		    SG_STR_ARG(name), near);
	return play_fail(PLAY_USAGE,
	    "--expect knows no '%.*s': video, audio, width, height, fps, bitrate, latency, "
	    "startup, "
	    "frames and lost are known",
	    SG_STR_ARG(name));
}

static bool unit_factor(enum unit unit, const char *text, double value, double *factor)
{
	*factor = 1;
	if (unit == UNIT_TIME) { /* kept in ms; a bare number tells nothing, unless it is 0 */
		*factor = strcmp(text, "s") ? 1 : 1000;
		return !strcmp(text, "ms") || !strcmp(text, "s") || (!*text && value == 0);
	}
	if (unit == UNIT_RATE && (!strcmp(text, "k") || !strcmp(text, "M"))) {
		*factor = *text == 'k' ? 1e3 : 1e6;
		return true;
	}
	return !*text;
}

/* Digits with at most one point: no signs, no exponents, no "inf". */
static bool read_number(struct expectation *e, const char *text)
{
	size_t len = strspn(text, "0123456789.");
	char *end;
	double factor, value = strtod(text, &end);

	if (!len || end != text + len || text[0] == '.' || len > 15 ||
	    !unit_factor(metrics[e->metric].unit, end, value, &factor))
		return false;
	e->value = value * factor;
	return true;
}

static const char *example(enum unit unit)
{
	switch (unit) {
	case UNIT_TIME:
		return "500ms or 2s";
	case UNIT_RATE:
		return "800k or 2.5M";
	case UNIT_CODEC:
		return "h264 or none";
	default:
		return "25";
	}
}

static int read_value(struct expectation *e, struct sg_str value)
{
	enum unit unit = metrics[e->metric].unit;
	char text[32];
	bool fits = value.len && sg_str_copy(text, sizeof(text), value);

	if (unit == UNIT_CODEC) {
		if (e->how != IS && e->how != IS_NOT)
			return play_fail(
			    PLAY_USAGE, "--expect %s: a codec is compared with = or !=", e->text);
		if (fits && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == value.len) {
			sg_str_copy(e->codec, sizeof(e->codec), value);
			return PLAYED;
		}
	} else if (fits && read_number(e, text)) {
		return PLAYED;
	}
	return play_fail(PLAY_USAGE, "--expect %s: '%.*s' is no value of %s: write it like %s",
	    e->text, SG_STR_ARG(value), metrics[e->metric].name, example(unit));
}

static int read_one(struct expectation *e, struct sg_str item)
{
	size_t at = 0;
	int status;

	if (!sg_str_copy(e->text, sizeof(e->text), item))
		return play_fail(
		    PLAY_USAGE, "--expect has a condition that is too long: shorten it");
	while (at < item.len && !strchr("!<>=", item.p[at]))
		at++;
	if ((status = find_metric((struct sg_str){item.p, at}, &e->metric)) != PLAYED)
		return status;
	struct sg_str rest = {item.p + at, item.len - at};
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		if (!sg_str_starts(rest, signs[i].text))
			continue;
		e->how = signs[i].how;
		size_t len = strlen(signs[i].text);
		return read_value(e, (struct sg_str){rest.p + len, rest.len - len});
	}
	return play_fail(PLAY_USAGE, "--expect %s: there is no comparison: write it like %s=%s",
	    e->text, metrics[e->metric].name,
	    metrics[e->metric].unit == UNIT_CODEC ? "h264" : "25");
}

int expect_parse(const char *list, struct expectation **out, size_t *count)
{
	struct sg_str rest = sg_str_from(list), item;
	int status = PLAYED;
	bool more = true;

	*count = 0;
	*out = calloc(EXPECT_MAX, sizeof(**out));
	if (!*out)
		return play_fail(PLAY_FAILED, "out of memory: free some");
	while (more && status == PLAYED) {
		more = sg_str_cut(rest, ',', &item, &rest);
		if (*count == EXPECT_MAX)
			status = play_fail(PLAY_USAGE,
			    "--expect has over %d conditions: leave some out", EXPECT_MAX);
		else if (!item.len)
			status = play_fail(PLAY_USAGE,
			    "--expect has an empty condition: write it like video=h264,fps>=25");
		else
			status = read_one(&(*out)[(*count)++], item);
	}
	return status; /* *out is freed with the options in any case */
}

/* ---- checking ---- */

/* false: it could not be measured. */
static bool measured(enum metric m, const struct facts *f, double *out)
{
	switch (m) {
	case WIDTH:
		return (*out = f->width) > 0;
	case HEIGHT:
		return (*out = f->height) > 0;
	case FPS:
		return (*out = f->fps) > 0;
	case BITRATE:
		return (*out = f->bit_rate) > 0;
	case LATENCY:
		return (*out = (double)f->latency_ms) >= 0;
	case STARTUP:
		return (*out = (double)f->startup_ms) >= 0;
	case FRAMES:
		*out = (double)f->decoded;
		return true;
	default:
		*out = (double)f->lost;
		return true;
	}
}

static bool holds(enum compare how, double a, double b)
{
	switch (how) {
	case IS:
		return a == b;
	case IS_NOT:
		return a != b;
	case LESS:
		return a < b;
	case AT_MOST:
		return a <= b;
	case MORE:
		return a > b;
	default:
		return a >= b;
	}
}

static bool check_codec(const struct expectation *e, const struct facts *f)
{
	const char *found = e->metric == VIDEO ? f->video : f->audio;

	if (!*found)
		found = "none";
	if (!strcmp(found, e->codec) == (e->how == IS))
		return true;
	play_warn("expected %s: it is %s", e->text, found);
	return false;
}

static bool check_number(const struct expectation *e, const struct facts *f)
{
	double value;
	char text[64];

	if (!measured(e->metric, f, &value)) {
		play_warn("expected %s: it is not measurable here", e->text);
		return false;
	}
	if (holds(e->how, value, e->value))
		return true;
	snprintf(text, sizeof(text), "%.*f%s", e->metric == FPS, value,
	    metrics[e->metric].unit == UNIT_TIME ? " ms" : "");
	play_warn("expected %s: it is %s", e->text, text);
	return false;
}

bool expect_check(const struct expectation *e, size_t count, const struct facts *f)
{
	bool all = true;

	for (size_t i = 0; i < count; i++)
		if (metrics[e[i].metric].unit == UNIT_CODEC ? !check_codec(&e[i], f)
							    : !check_number(&e[i], f))
			all = false;
	return all;
}
