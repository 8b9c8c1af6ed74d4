/* text.c - encodings, hashes, durations, times, identifiers. */
#include "base/text.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- base64url, base32hex, hex (RFC 4648, sections 5, 7 and 8) ---- */

static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char base32hex_digits[] = "0123456789abcdefghijklmnopqrstuv";

void sg_base64url_encode(char *out, const uint8_t *p, size_t len)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | p[i];
		for (have += 8; have >= 6; have -= 6)
			*out++ = base64url_digits[bits >> (have - 6) & 63];
	}
	if (have)
		*out++ = base64url_digits[bits << (6 - have) & 63];
	*out = 0;
}

static int base64url_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool sg_base64url_decode(uint8_t *out, size_t len, struct sg_str text)
{
	uint32_t bits = 0;
	unsigned have = 0;

	if (text.len != SG_BASE64URL_SIZE(len) - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int v = base64url_value(text.p[i]);
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			*out++ = (uint8_t)(bits >> have);
		}
	}
	/* One text per value: bits left over must be zero (RFC 4648, section 3.5). */
	return (bits & ((1u << have) - 1)) == 0;
}

#define ID_DIGITS (SG_ID_TEXT_SIZE - 1)

/* 13 digits hold 65 bits: the id and one zero bit behind it, as RFC 4648 pads. */
void sg_id_format(char out[SG_ID_TEXT_SIZE], uint64_t id)
{
	out[ID_DIGITS] = 0;
	out[ID_DIGITS - 1] = base32hex_digits[(id & 15) << 1];
	id >>= 4;
	for (int i = ID_DIGITS - 2; i >= 0; i--, id >>= 5)
		out[i] = base32hex_digits[id & 31];
}

bool sg_id_parse(struct sg_str text, uint64_t *id)
{
	uint64_t v = 0;
	unsigned digit = 0;

	if (text.len != ID_DIGITS)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'v')
			digit = (unsigned)(c - 'a') + 10;
		else
			return false;
		v = i + 1 < ID_DIGITS ? v << 5 | digit : v << 4 | digit >> 1;
	}
	if (digit & 1)
		return false;
	*id = v;
	return true;
}

void sg_hex_encode(char *out, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = 0;
}

/* ---- hashes, secrets ---- */

/* For what can only fail when the machine is broken, and must not be carried on without. */
static void give_up(const char *what)
{
	fprintf(stderr, "<2>%s failed: nothing safe can be done\n", what);
	abort();
}

/* EVP_sha256() would be looked for among the providers at every call, which takes longer than
 * hashing a token does (EVP_MD_fetch(3), "Implicit fetch"). */
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

uint64_t sg_fnv1a(uint64_t h, const void *p, size_t len)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
	return h;
}

void sg_sha256(uint8_t out[SG_SHA256_BYTES], const void *p, size_t len)
{
	pthread_once(&sha256_once, fetch_sha256);
	if (!sha256 || !EVP_Digest(p, len, out, NULL, sha256, NULL))
		give_up("SHA-256");
}

void sg_hmac_sha256(
    uint8_t out[SG_SHA256_BYTES], const void *key, size_t key_len, const void *p, size_t len)
{
	/* A NULL key would mean "the one of the last call". */
	if (key_len > INT32_MAX ||
	    !HMAC(EVP_sha256(), key_len ? key : "", (int)key_len, p, len, out, NULL))
		give_up("HMAC-SHA-256");
}

bool sg_equal_constant_time(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void sg_wipe(void *p, size_t len)
{
	if (len)
		OPENSSL_cleanse(p, len);
}

void sg_random(void *out, size_t len)
{
	uint8_t *p = out;

	while (len) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			give_up("getrandom");
		p += n;
		len -= (size_t)n;
	}
}

/* ---- durations ---- */

#define DURATION_MAX_MS (INT64_C(36525) * 86400000)

/* From the longest; a day alone is written as 24h, as people do. */
static const struct {
	const char *name;
	int64_t ms, least_ms;
} units[] = {
    {"d", 86400000, 2 * 86400000},
    {"h", 3600000, 0},
    {"m", 60000, 0},
    {"s", 1000, 0},
    {"ms", 1, 0},
};

bool sg_duration_parse(struct sg_str s, int64_t *out_ms)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < s.len && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	if (!sg_str_to_u64((struct sg_str){s.p, digits}, DURATION_MAX_MS, &n))
		return false;
	struct sg_str unit = {s.p + digits, s.len - digits};
	if (unit.len == 0 && n == 0) {
		*out_ms = 0;
		return true;
	}
	for (size_t i = 0; i < COUNT_OF(units); i++) {
		if (!sg_str_is(unit, units[i].name))
			continue;
		if ((int64_t)n > DURATION_MAX_MS / units[i].ms)
			return false;
		*out_ms = (int64_t)n * units[i].ms;
		return true;
	}
	return false;
}

void sg_duration_format(char *out, size_t size, int64_t ms)
{
	size_t i = 0;

	if (ms == 0) {
		snprintf(out, size, "0s");
		return;
	}
	while (i + 1 < COUNT_OF(units) && (ms % units[i].ms != 0 || ms < units[i].least_ms))
		i++;
	snprintf(out, size, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
}

/* ---- times ---- */

#define TIME_MAX_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z: RFC 3339 has four digits */

/* Takes exactly `width` digits and then `after`, unless that is 0. */
static bool take_number(struct sg_str *s, size_t width, char after, int *out)
{
	size_t len = width + (after ? 1 : 0);
	uint64_t v;

	if (s->len < len || (after && s->p[width] != after) ||
	    !sg_str_to_u64((struct sg_str){s->p, width}, 9999, &v))
		return false;
	*out = (int)v;
	s->p += len;
	s->len -= len;
	return true;
}

static bool take_fraction(struct sg_str *s)
{
	size_t n = 1;

	if (s->len == 0 || s->p[0] != '.')
		return true;
	while (n < s->len && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	s->p += n;
	s->len -= n;
	return n > 1;
}

/* "Z", "+02:00": the rest of `s`. */
static bool parse_offset(struct sg_str s, int *out_s)
{
	int hours, minutes;

	*out_s = 0;
	if (s.len == 1)
		return s.p[0] == 'Z' || s.p[0] == 'z';
	if (s.len != 6 || (s.p[0] != '+' && s.p[0] != '-'))
		return false;
	int sign = s.p[0] == '-' ? -1 : 1;
	s.p++, s.len--;
	if (!take_number(&s, 2, ':', &hours) || !take_number(&s, 2, 0, &minutes) || hours > 23 ||
	    minutes > 59)
		return false;
	*out_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* RFC 3339, section 5.6. */
static bool parse_rfc3339(struct sg_str s, int64_t *out_s)
{
	struct tm t = {0};
	int second, offset;

	if (!take_number(&s, 4, '-', &t.tm_year) || !take_number(&s, 2, '-', &t.tm_mon) ||
	    !take_number(&s, 2, 0, &t.tm_mday) || s.len == 0 || !strchr("Tt ", s.p[0]))
		return false;
	s.p++, s.len--;
	if (!take_number(&s, 2, ':', &t.tm_hour) || !take_number(&s, 2, ':', &t.tm_min) ||
	    !take_number(&s, 2, 0, &second) || !take_fraction(&s) || !parse_offset(s, &offset))
		return false;
	/* Second 60 is a leap second, which Unix time does not count: the next one. */
	if (t.tm_mon < 1 || t.tm_mon > 12 || t.tm_hour > 23 || t.tm_min > 59 || second > 60)
		return false;
	t.tm_year -= 1900;
	t.tm_mon--;
	int day = t.tm_mday;
	time_t minute = timegm(&t);
	if (t.tm_mday != day) /* timegm() carried the 31st of April over into May */
		return false;
	*out_s = (int64_t)minute + second - offset;
	return true;
}

bool sg_time_parse(struct sg_str s, int64_t *out_s)
{
	uint64_t unix_s;
	int64_t at;

	if (sg_str_to_u64(s, TIME_MAX_S, &unix_s))
		at = (int64_t)unix_s;
	else if (!parse_rfc3339(s, &at))
		return false;
	if (at < 0 || at > TIME_MAX_S)
		return false;
	*out_s = at;
	return true;
}

/* Writes the date and the time of day; `rest` stands behind them. */
static void format_time(char out[SG_TIME_TEXT_SIZE], int64_t unix_s, const char *rest)
{
	time_t at = (time_t)unix_s;
	char whole[SG_TIME_TEXT_SIZE - 8];
	struct tm t;

	if (unix_s < 0 || unix_s > TIME_MAX_S || !gmtime_r(&at, &t) ||
	    !strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &t)) {
		/* Not writable as RFC 3339; the number is better than nothing. */
		snprintf(out, SG_TIME_TEXT_SIZE, "%lld", (long long)unix_s);
		return;
	}
	snprintf(out, SG_TIME_TEXT_SIZE, "%s%s", whole, rest);
}

void sg_time_format(char out[SG_TIME_TEXT_SIZE], int64_t unix_s)
{
	format_time(out, unix_s, "Z");
}

void sg_time_format_ms(char out[SG_TIME_TEXT_SIZE], int64_t unix_ms)
{
	char rest[8];

	snprintf(rest, sizeof(rest), ".%03uZ", (unsigned)(unix_ms > 0 ? unix_ms % 1000 : 0));
	format_time(out, unix_ms / 1000, rest);
}

/* ---- identifiers ---- */

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool sg_app_is_valid(struct sg_str s)
{
	if (s.len == 0 || s.len > SG_APP_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return true;
}

bool sg_stream_is_valid(struct sg_str s)
{
	if (s.len == 0 || s.len > SG_STREAM_MAX || s.p[0] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '-' && s.p[i] != '.')
			return false;
	return true;
}

/* ---- did you mean ---- */

#define NEAREST_WORD_MAX 64
#define NEAREST_DISTANCE_MAX 3u

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein distance, case apart; both at most NEAREST_WORD_MAX long. */
static unsigned distance(struct sg_str a, struct sg_str b)
{
	unsigned row[NEAREST_WORD_MAX + 1];

	for (unsigned k = 0; k <= b.len; k++)
		row[k] = k;
	for (unsigned i = 0; i < a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = i + 1;
		for (unsigned k = 0; k < b.len; k++) {
			unsigned swap = diagonal + (lower(a.p[i]) != lower(b.p[k]));
			diagonal = row[k + 1];
			row[k + 1] = least(swap, row[k] + 1, row[k + 1] + 1);
		}
	}
	return row[b.len];
}

const char *sg_nearest(struct sg_str word, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	unsigned best_distance = NEAREST_DISTANCE_MAX + 1;

	if (word.len > NEAREST_WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		struct sg_str c = sg_str_from(candidates[i]);
		if (c.len > NEAREST_WORD_MAX)
			continue;
		unsigned d = distance(word, c);
		/* A short word is three edits from anything: half of it must be right. */
		if (d < best_distance && d * 2 <= (word.len > c.len ? word.len : c.len)) {
			best = candidates[i];
			best_distance = d;
		}
	}
	return best;
}
