/* What an SRT caller asks for. Vectors: the SRT Access Control guidelines of libsrt, Ant Media's form,
 * what FFmpeg and Blackmagic's encoders send. */
#include "srt/streamid.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T "AZP5nq2_cQ8tVn4-xJf0aBcDeFgHiJkL"
#define LONG64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG256 LONG64 LONG64 LONG64 LONG64

static enum sg_result parse(struct sg_srt_streamid *out, const char *p, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, p, len);
	memset(out, 0x5a, sizeof(*out));
	enum sg_result res = sg_srt_streamid_parse(out, (struct sg_str){copy, len});
	free(copy);
	return res;
}

static const struct {
	const char *what, *id, *app, *stream, *token; /* token NULL: none */
	enum sg_token_type type;
} good[] = {
    {"the standard syntax", "#!::r=live/cam-1,m=publish,token=" T, "live", "cam-1", T, SG_PUBLISH},
    {"in another order", "#!::token=" T ",m=publish,r=live/cam-1", "live", "cam-1", T, SG_PUBLISH},
    {"play is the default mode", "#!::r=live/cam,token=" T, "live", "cam", T, SG_PLAY},
    {"a request", "#!::r=live/cam,m=request,token=" T, "live", "cam", T, SG_PLAY},
    {"the session id is a one-time token", "#!::r=live/cam,m=publish,s=" T, "live", "cam", T,
	SG_PUBLISH},
    {"our key before the session id", "#!::s=abc,r=live/cam,token=" T, "live", "cam", T, SG_PLAY},
    {"without a token", "#!::r=live/cam", "live", "cam", NULL, SG_PLAY},
    {"with an empty one", "#!::r=live/cam,token=", "live", "cam", NULL, SG_PLAY},
    {"keys of others", "#!::h=host,u=joe,t=stream,r=live/cam,x_y=1,m=publish", "live", "cam", NULL,
	SG_PUBLISH},
    {"nested", "#!:{r=live/cam,m=publish,token=" T "}", "live", "cam", T, SG_PUBLISH},
    {"Blackmagic", "#!::u=live/cam-1,bmd_uuid=0f2e,bmd_name=Web Presenter", "live", "cam-1", NULL,
	SG_PUBLISH},
    {"Blackmagic, with a token", "#!::bmd_uuid=0f2e,u=live/cam-1,token=" T, "live", "cam-1", T,
	SG_PUBLISH},
    {"Ant Media", "live/cam-1,token=" T, "live", "cam-1", T, SG_PUBLISH},
    {"Ant Media, with a subscriber", "live/cam,token=" T ",subscriberId=a,subscriberCode=b", "live",
	"cam", T, SG_PUBLISH},
    {"Ant Media, without a token", "live/cam-1", "live", "cam-1", NULL, SG_PUBLISH},
    {"bare, to play", "live/cam,m=request,token=" T, "live", "cam", T, SG_PLAY},
    {"as a query", "live/cam-1?token=" T, "live", "cam-1", T, SG_PUBLISH},
    {"as a query, to play", "live/cam?m=request&token=" T, "live", "cam", T, SG_PLAY},
    {"a slash in front", "/live/cam", "live", "cam", NULL, SG_PUBLISH},
    {"a slash in front of r", "#!::r=/live/cam", "live", "cam", NULL, SG_PLAY},
    {"escaped as a whole", "%23%21%3A%3Ar%3Dlive%2Fcam%2Cm%3Dpublish%2Ctoken%3D" T, "live", "cam",
	T, SG_PUBLISH},
    {"escaped in front", "%23!::r=live/cam,token=" T, "live", "cam", T, SG_PLAY},
    {"escaped, lower case", "live%2fcam%2ctoken%3d" T, "live", "cam", T, SG_PUBLISH},
    {"quoted", "#!::r=\"live/cam\",m=\"publish\",token=\"" T "\"", "live", "cam", T, SG_PUBLISH},
    {"the first of two counts", "#!::r=live/cam,r=live/other,m=request,m=publish", "live", "cam",
	NULL, SG_PLAY},
    {"keys without a value", "#!::r=live/cam,token,m", "live", "cam", NULL, SG_PLAY},
    {"empty pairs", "#!::,,r=live/cam,,", "live", "cam", NULL, SG_PLAY},
    {"a token that nobody has", "live/cam,token=" LONG256, "live", "cam", "/", SG_PUBLISH},
};

static void every_form_is_understood(void **state)
{
	struct sg_srt_streamid s;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		if (parse(&s, good[i].id, strlen(good[i].id)) != SG_OK)
			fail_msg("%s: refused", good[i].what);
		if (strcmp(s.app, good[i].app) || strcmp(s.stream, good[i].stream) ||
		    s.type != good[i].type ||
		    strcmp(
			s.has_token ? s.token : "(none)", good[i].token ? good[i].token : "(none)"))
			fail_msg("%s: app %s, stream %s, token %s, type %d", good[i].what, s.app,
			    s.stream, s.token, s.type);
	}
}

static void what_names_no_stream_is_malformed(void **state)
{
	static const char *const rows[] = {"", "#!::", "#!:{", "#!:{}", "#!::m=publish", "live",
	    "live/", "/cam", "/", "#!::r=live", "#!::r=/cam", "#!::r=,u=live/cam", ",token=" T,
	    "?token=" T, "live/cam%", "live/cam%2", "live/cam%00", "%zz", LONG256 LONG256 "/",
	    "live/" LONG256 LONG256};
	struct sg_srt_streamid s;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (parse(&s, rows[i], strlen(rows[i])) != SG_ERR_BAD_INPUT)
			fail_msg("'%s' is taken", rows[i]);
	assert_int_equal(parse(&s, "live/cam\0x", 10), SG_ERR_BAD_INPUT);
}

static void modes_that_are_not_spoken_are_told_apart(void **state)
{
	static const char *const rows[] = {"#!::r=live/cam,m=bidirectional",
	    "#!::r=live/cam,m=", "#!::r=live/cam,m=PUBLISH", "#!::r=live/cam,t=file",
	    "#!::r=live/cam,t=auth,m=publish", "live/cam,m=x"};
	struct sg_srt_streamid s;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (parse(&s, rows[i], strlen(rows[i])) != SG_ERR_UNSUPPORTED)
			fail_msg("'%s' is not told apart", rows[i]);
}

static void names_that_do_not_fit_are_names_of_nobody(void **state)
{
	struct sg_srt_streamid s;

	(void)state;
	assert_int_equal(parse(&s, "live/" LONG256, 5 + 256), SG_OK);
	assert_false(sg_stream_is_valid(sg_str_from(s.stream)));
	assert_int_equal(parse(&s, LONG64 "/cam", 68), SG_OK);
	assert_false(sg_app_is_valid(sg_str_from(s.app)));
	assert_int_equal(parse(&s, "live/a/b", 8), SG_OK); /* deeper paths are no stream id */
	assert_false(sg_stream_is_valid(sg_str_from(s.stream)));
}

/* Cut short it names another thing or nothing; it never reads on, and never makes up a longer name. */
static void forms_may_be_cut_anywhere(void **state)
{
	struct sg_srt_streamid s;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		for (size_t len = 0; len < strlen(good[i].id); len++) {
			enum sg_result res = parse(&s, good[i].id, len);
			assert_true(
			    res == SG_OK || res == SG_ERR_BAD_INPUT || res == SG_ERR_UNSUPPORTED);
			assert_true(strlen(s.stream) <= len && strlen(s.token) <= len);
			if (res != SG_OK)
				assert_false(s.has_token || *s.app || *s.stream);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_form_is_understood),
	    cmocka_unit_test(what_names_no_stream_is_malformed),
	    cmocka_unit_test(modes_that_are_not_spoken_are_told_apart),
	    cmocka_unit_test(names_that_do_not_fit_are_names_of_nobody),
	    cmocka_unit_test(forms_may_be_cut_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
