/* What must stay secret is taken out of text, wherever it stands and however it is escaped. */
#include "base/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Shapes only: 32 characters as a token has, 22 as a viewer's session has. */
#define TOKEN "AZP5nq2_cQ8tVn4-xJf0aBcDeFgHiJkL"
#define SID "Zm9vYmFyZm9vYmFyZm9vYg"
#define R "[redacted]"

struct row {
	const char *in, *out; /* out NULL: stays as it is */
};

static void check(const struct row *rows, size_t count)
{
	char out[1024], again[1024];

	for (size_t i = 0; i < count; i++) {
		const char *expected = rows[i].out ? rows[i].out : rows[i].in;
		sg_redact(out, sizeof(out), sg_str_from(rows[i].in));
		if (strcmp(out, expected) != 0)
			fail_msg("%s\n became %s\n and not %s", rows[i].in, out, expected);
		/* What was cleaned once may be logged again. */
		sg_redact(again, sizeof(again), sg_str_from(out));
		if (strcmp(out, again) != 0)
			fail_msg("%s\n then became %s", out, again);
	}
}

static void tokens_in_urls(void **state)
{
	static const struct row rows[] = {
	    {"rtmp://h/live/cam?token=ABC", "rtmp://h/live/cam?token=" R},
	    {"rtmp://h/live/cam?token=ABC&x=1", "rtmp://h/live/cam?token=" R "&x=1"},
	    {"/live/streams/cam.m3u8?a=b&TOKEN=ABC HTTP/1.1",
		"/live/streams/cam.m3u8?a=b&TOKEN=" R " HTTP/1.1"},
	    {"GET /x?token= HTTP/1.1", NULL},
	    {"?Token=ABC#f", "?Token=" R},
	    {"?access_token=ABC&id=1", "?access_token=" R "&id=1"},
	    {"(?token=ABC)", "(?token=" R ")"},
	    {"<a href='?token=ABC'>", "<a href='?token=" R "'>"},
	    {"?token=AB%43D%26x", "?token=" R},
	    {"?%74oken=ABC", "?%74oken=" R},
	    {"u=http%3A%2F%2Fh%2Fx%3Ftoken%3DABC", "u=http%3A%2F%2Fh%2Fx%3Ftoken%3D" R},
	    {"u=http%253A%252F%252Fh%253Ftoken%253DABC", "u=http%253A%252F%252Fh%253Ftoken%253D" R},
	    {"token%3dABC next", "token%3d" R " next"},
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void tokens_in_stream_ids(void **state)
{
	static const struct row rows[] = {
	    {"#!::r=live/cam,m=publish,token=T", "#!::r=live/cam,m=publish,token=" R},
	    {"#!::token=T,r=live/cam", "#!::token=" R ",r=live/cam"},
	    {"#!::r=live/cam,s=T,m=request", "#!::r=live/cam,s=" R ",m=request"},
	    {"#!::s=T", "#!::s=" R},
	    {"srt://h:1?streamid=%23!%3A%3Ar%3Dlive%2Fcam%2Cs%3DT",
		"srt://h:1?streamid=%23!%3A%3Ar%3Dlive%2Fcam%2Cs%3D" R},
	    {"live/cam,token=T", "live/cam,token=" R},
	    {"#!::r=live/cam,m=publish", NULL},
	    {"bytes=5", NULL},
	    {"latency: 5 s=unit", NULL},
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void tokens_in_json(void **state)
{
	static const struct row rows[] = {
	    {"{\"token\":\"T\",\"x\":1}", "{\"token\":\"" R "\",\"x\":1}"},
	    {"{\"tokenId\":\"T\"}", "{\"tokenId\":\"" R "\"}"},
	    {"{\"token\" : \"T\"}", "{\"token\" : \"" R "\"}"},
	    {"{\"token\":[\"T\"]}", "{\"token\":[\"" R "\"]}"},
	    {"{\"token\":5,\"x\":1}", "{\"token\":" R ",\"x\":1}"},
	    {"{'token':'T'}", "{'token':'" R "'}"},
	    {"{\"password\":\"a \\\"b, c\",\"x\":1}", "{\"password\":\"" R "\",\"x\":1}"},
	    {"{\"password\":\"a\\\\\",\"x\":1}", "{\"password\":\"" R "\",\"x\":1}"},
	    {"{\"password\":\"cut sho", "{\"password\":\"" R},
	    {"{\\\"token\\\":\\\"T\\\",\\\"x\\\":1}", "{\\\"token\\\":\\\"" R "\\\",\\\"x\\\":1}"},
	    {"{\"url\":\"rtmp:\\/\\/h\\/a?token=T\"}",
		"{\"url\":\"rtmp:\\/\\/h\\/a?token=" R "\"}"},
	    {"{\"url\":\"?token\\u003dT\"}", "{\"url\":\"?token\\u003d" R "\"}"},
	    {"{\"a\":\"\\ntoken=T\"}", "{\"a\":\"\\ntoken=" R "\"}"},
	    {"{\"token\":\"\"}", NULL},
	    {"{\"type\":\"token\",\"x\":\"y\"}", NULL},
	    {"{\"playTokenControlEnabled\":true}", NULL},
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void tokens_in_headers(void **state)
{
	static const struct row rows[] = {
	    {"Authorization: Bearer T", "Authorization: Bearer " R},
	    {"authorization: bearer T, next", "authorization: bearer " R ", next"},
	    {"\"Authorization: Bearer T\" -X", "\"Authorization: Bearer " R "\" -X"},
	    {"\"Authorization\": \"Bearer T\"}", "\"Authorization\": \"Bearer " R "\"}"},
	    {"Authorization: Basic dTpw\r\nHost: h", "Authorization: " R "\r\nHost: h"},
	    {"Authorization: Digest username=\"u\", response=\"r\"",
		"Authorization: " R "\"u\", response=\"r\""},
	    {"ProxyAuthorization: abc def", "ProxyAuthorization: " R},
	    {"X-Token: T\r\nHost: h", "X-Token: " R "\r\nHost: h"},
	    {"X-API-Key: k", "X-API-Key: " R},
	    {"Cookie: a=b; sg_session=T\r\nHost: h", "Cookie: " R "\r\nHost: h"},
	    {"Set-Cookie: sg_session=T; Path=/", "Set-Cookie: " R},
	    {"sg_session=T; Path=/", "sg_session=" R "; Path=/"},
	    {"0123abcd_sg_session=T; Path=/", "0123abcd_sg_session=" R "; Path=/"},
	    {"Bearer%20T", "Bearer%20" R},
	    {"Bearer  T", "Bearer  " R},
	    {"Bearer=T", "Bearer=" R},
	    {"bearer", NULL},
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void passwords_and_keys(void **state)
{
	static const struct row rows[] = {
	    {"postgresql://user:pw@host/db", "postgresql://user:" R "@host/db"},
	    {"postgresql://user:p@w:x@host/db", "postgresql://user:" R "@host/db"},
	    {"postgresql://user@host:5432/db?password=pw",
		"postgresql://user@host:5432/db?password=" R},
	    {"rtmp://" TOKEN ":pw@h/" TOKEN, "rtmp://" R ":" R "@h/" R},
	    {"http://token:p,w@h/", "http://token:" R R "@h/"},
	    {"http://h:5080/a@b", NULL},
	    {"host=h password=pw user=u", "host=h password=" R " user=u"},
	    {"password = pw", "password = " R},
	    {"passphrase=0123456789&x", "passphrase=" R "&x"},
	    {"a_name_of_more_than_sixty_four_characters_is_looked_at_from_its_end_passwd=x",
		"a_name_of_more_than_sixty_four_characters_is_looked_at_from_its_end_passwd=" R},
	    {"db_passwd=x", "db_passwd=" R},
	    {"key sgk_" TOKEN " given", "key " R " given"},
	    {"apikey=k1", "apikey=" R},
	    {"turn_credential = k1", "turn_credential = " R},
	    {"username=\"u\"; credential=\"k1\"", "username=\"u\"; credential=\"" R "\""},
	    {"client_secret=k1", "client_secret=" R},
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void bare_tokens(void **state)
{
	static const struct row rows[] = {
	    {TOKEN, R},
	    {"token " TOKEN " is used", "token " R " is used"},
	    {"(" TOKEN ")", "(" R ")"},
	    {"/x/" TOKEN ".ts", "/x/" R ".ts"},
	    {"k=" TOKEN, "k=" R},
	    {"k%3D" TOKEN, "k%3D" R},
	    {"k%253D" TOKEN "%2526", "k%253D" R "%2526"},
	    {"%41ZP5nq2_cQ8tVn4-xJf0aBcDeFgHiJk%4C", R},
	    {"\xc3\xbc" TOKEN "\xc3\xbc", "\xc3\xbc" R "\xc3\xbc"},
	    {"{\"a\":\"\\n" TOKEN "\"}", "{\"a\":\"\\" R "\"}"},
	    {TOKEN "," TOKEN, R "," R},
	    {"AZP5nq2_cQ8tVn4-xJf0aBcDeFgtoken=T", R "=" R},
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void session_ids_in_paths(void **state)
{
	static const struct row rows[] = {
	    {"/live/streams/s/" SID "/cam.m3u8", "/live/streams/s/" R "/cam.m3u8"},
	    {"GET /s/" SID " HTTP", "GET /s/" R " HTTP"},
	    {"%2Fs%2F" SID "%2Fcam", "%2Fs%2F" R "%2Fcam"},
	    {"\"\\/s\\/" SID "\\/cam\"", "\"\\/s\\/" R "\\/cam\""},
	    {"/s/" SID "x/", NULL},
	    {"/s/cam.m3u8", NULL},
	    {"/bus/" SID "/", NULL},
	    {"/s//" SID "/", NULL},
	    {"https://h/s/" SID "?a", "https://h/s/" R "?a"},
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void what_opens_nothing_stays(void **state)
{
	static const struct row rows[] = {
	    {"", NULL},
	    {"play live/cam refused: unknown_token: id 04hkaps9lf6uu from 192.0.2.7", NULL},
	    {"reason=missing_token: give one", NULL},
	    {"conf:3: 'publish_token': 'maybe' is no such value: use off or on", NULL},
	    {"publish_token = off", NULL},
	    {"session 123e4567-e89b-12d3-a456-426614174000 ended", NULL},
	    {"sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", NULL},
	    {"five tokens: 5", NULL},
	    {"tokenctl: the token is used up", NULL},
	    {"100% sure, 50%, \\o/ \\", NULL},
	    {"\xc3\xbc\xff\x80", NULL},
	    {"TOKENCTL=x", NULL},
	    {SID, NULL},
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

/* Every form, with every secret of it, cut and padded: none may let the secret through. */
static void no_form_lets_a_token_through(void **state)
{
	static const char *const forms[] = {"?token=%s", "token=%s", "TOKEN=%s&", ",token=%s,",
	    "\"token\":\"%s\"", "\"tokenId\": \"%s\"", "Bearer %s", "Authorization: Bearer %s",
	    "token%%3D%s", "token%%253D%s", " %s ", "'%s'", "/%s/", "s/%s", "{token:%s}",
	    "token: %s", "Token:%s", "\\\"token\\\":\\\"%s\\\"", "token='%s'", "<token>%s</token>",
	    "?a=%s#", "[%s]"};
	char middle[256], text[512], out[1024];

	(void)state;
	for (size_t f = 0; f < COUNT_OF(forms); f++)
		for (size_t g = 0; g < COUNT_OF(forms); g++) {
			snprintf(middle, sizeof(middle), forms[f], TOKEN);
			snprintf(text, sizeof(text), forms[g], middle);
			sg_redact(out, sizeof(out), sg_str_from(text));
			if (strstr(out, "nq2_cQ8t") || strstr(out, "HiJkL"))
				fail_msg("%s\n became %s", text, out);
		}
}

static void the_output_is_cut_to_fit(void **state)
{
	char out[16];

	(void)state;
	for (size_t size = 1; size <= sizeof(out); size++) {
		memset(out, 'x', sizeof(out));
		sg_redact(out, size, SG_STR("0123456789token=" TOKEN));
		assert_int_equal(strlen(out), size - 1);
		assert_memory_equal(out, "0123456789token=", size - 1);
	}
	sg_redact(out, 0, SG_STR("a"));
	sg_redact(out, sizeof(out), SG_STR("a\0token=b"));
	assert_string_equal(out, "a?token=[redact");
	sg_redact(out, sizeof(out), sg_str_from(NULL));
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tokens_in_urls),
	    cmocka_unit_test(tokens_in_stream_ids),
	    cmocka_unit_test(tokens_in_json),
	    cmocka_unit_test(tokens_in_headers),
	    cmocka_unit_test(passwords_and_keys),
	    cmocka_unit_test(bare_tokens),
	    cmocka_unit_test(session_ids_in_paths),
	    cmocka_unit_test(what_opens_nothing_stays),
	    cmocka_unit_test(no_form_lets_a_token_through),
	    cmocka_unit_test(the_output_is_cut_to_fit),
	};

	return cmocka_run_group_tests_name("base_redact", tests, NULL, NULL);
}
