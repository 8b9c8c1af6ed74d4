/* json.c - bodies and query parameters in, checked; objects and lists out. */
#include "api/api_internal.h"

#define SHOWN_MAX 60 /* bytes of a caller's own words in an error */

/* ---- out ---- */

/* New tokens pass through here. */
static void wipe_strings(json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(value))
		sg_wipe((char *)json_string_value(value), json_string_length(value));
	json_array_foreach(value, i, item) wipe_strings(item);
	json_object_foreach(value, key, item) wipe_strings(item);
}

void api_json_drop(json_t *value)
{
	wipe_strings(value);
	json_decref(value);
}

void api_answer(struct api_call *c, unsigned status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;

	api_json_drop(body);
	if (!text) {
		api_problem(c->req, 500, "out of memory");
		return;
	}
	sg_http_add_header(c->req, "Cache-Control", "no-store");
	sg_http_respond(c->req, status, "application/json", (struct sg_str){text, len});
	sg_wipe(text, len);
	free(text);
}

void api_answer_empty(struct api_call *c)
{
	sg_http_add_header(c->req, "Cache-Control", "no-store");
	sg_http_respond(c->req, 204, NULL, (struct sg_str){0});
}

void api_answer_list(struct api_call *c, json_t *items, const char *next)
{
	bool more = next && *next;

	api_answer(c, 200,
	    json_pack("{so so}", "items", items, "next", more ? json_string(next) : json_null()));
}

json_t *api_json_text(const char *z)
{
	size_t len = strlen(z);
	json_t *text = json_stringn(z, len);
	char ascii[1025];

	if (text)
		return text;
	if (len > sizeof(ascii) - 1)
		len = sizeof(ascii) - 1;
	for (size_t i = 0; i < len; i++)
		ascii[i] = (unsigned char)z[i] < 0x80 ? z[i] : '?';
	return json_stringn(ascii, len);
}

json_t *api_json_time(int64_t unix_s)
{
	return unix_s ? json_integer(unix_s) : json_null();
}

json_t *api_json_id(uint64_t id)
{
	char text[SG_ID_TEXT_SIZE];

	if (!id)
		return json_null();
	sg_id_format(text, id);
	return json_string(text);
}

/* ---- a body ---- */

static unsigned kind_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return API_STRING;
	case JSON_INTEGER:
		return API_INTEGER;
	case JSON_TRUE:
	case JSON_FALSE:
		return API_BOOL;
	case JSON_NULL:
		return API_NULL;
	case JSON_OBJECT:
		return API_OBJECT;
	default:
		return 0;
	}
}

/* "a string or a whole number" */
static void name_kinds(char *out, size_t size, unsigned kinds)
{
	static const char *const names[] = {
	    "a string", "a whole number", "true or false", "null", "an object"};
	size_t len = 0;

	*out = '\0';
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (kinds & 1u << i && len < size)
			len += (size_t)snprintf(
			    out + len, size - len, "%s%s", len ? " or " : "", names[i]);
}

#define KNOWN_MAX 16

/* A name may be anything, a token too: shown with secrets taken out, and cut. `what` has that name. */
static void refuse_unknown(
    struct api_call *c, const char *what, const char *key, const char *const *names, size_t count)
{
	char clear[256], known[200] = "";
	size_t len = 0;

	sg_redact(clear, sizeof(clear), sg_str_from(key));
	for (size_t i = 0; clear[i]; i++)
		if ((unsigned char)clear[i] < 0x20 || (unsigned char)clear[i] > 0x7e)
			clear[i] = '?';
	clear[SHOWN_MAX] = '\0';
	for (size_t i = 0; i < count && len < sizeof(known); i++)
		len += (size_t)snprintf(
		    known + len, sizeof(known) - len, "%s%s", i ? ", " : "", names[i]);
	const char *near = sg_nearest(sg_str_from(key), names, count);
	if (near)
		api_problem(c->req, 400, "there is no %s '%s': did you mean '%s'?", what, clear, near);
	else
		api_problem(c->req, 400, "there is no %s '%s': known are %s", what, clear,
		    count ? known : "none");
}

static void refuse_field(
    struct api_call *c, const char *key, const struct api_field *fields, size_t count)
{
	const char *names[KNOWN_MAX];

	if (count > KNOWN_MAX)
		count = KNOWN_MAX;
	for (size_t i = 0; i < count; i++)
		names[i] = fields[i].name;
	refuse_unknown(c, "field", key, names, count);
}

bool api_check_fields(
    struct api_call *c, json_t *object, const struct api_field *fields, size_t count)
{
	const char *key;
	json_t *value;
	char kinds[100];

	json_object_foreach(object, key, value)
	{
		size_t i = 0;
		while (i < count && strcmp(fields[i].name, key) != 0)
			i++;
		if (i == count) {
			refuse_field(c, key, fields, count);
			return false;
		}
		if (!(fields[i].kinds & kind_of(value))) {
			name_kinds(kinds, sizeof(kinds), fields[i].kinds);
			api_problem(c->req, 400, "'%s' must be %s", fields[i].name, kinds);
			return false;
		}
	}
	return true;
}

json_t *api_body(struct api_call *c, const struct api_field *fields, size_t count)
{
	struct sg_str body = sg_http_body(c->req);
	json_error_t error;
	json_t *object =
	    json_loadb(body.len ? body.p : "", body.len, JSON_REJECT_DUPLICATES, &error);

	/* Where, not what: the parser's own words quote the body, which may hold a token. */
	if (!object) {
		api_problem(c->req, 400,
		    body.len ? "the body is not JSON (or names a field twice): line %d, column %d"
			     : "a JSON object is needed as the body",
		    error.line, error.column);
		return NULL;
	}
	if (!json_is_object(object)) {
		api_problem(c->req, 400, "the body must be a JSON object");
	} else if (api_check_fields(c, object, fields, count)) {
		return object;
	}
	api_json_drop(object);
	return NULL;
}

struct sg_str api_string(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return (struct sg_str){json_string_value(value), json_string_length(value)};
}

bool api_integer(struct api_call *c, const json_t *object, const char *key, int64_t min,
    int64_t max, int64_t *out)
{
	const json_t *value = json_object_get(object, key);

	if (!value)
		return true;
	*out = json_integer_value(value);
	if (*out >= min && *out <= max)
		return true;
	api_problem(
	    c->req, 400, "'%s' must be from %lld to %lld", key, (long long)min, (long long)max);
	return false;
}

bool api_seconds(
    struct api_call *c, const json_t *object, const char *key, int64_t max_s, int64_t *out_s)
{
	const json_t *value = json_object_get(object, key);
	char most[24];
	int64_t ms, s;

	if (!value)
		return true;
	if (json_is_integer(value)) {
		s = json_integer_value(value);
	} else if (sg_duration_parse(api_string(object, key), &ms)) {
		s = ms / 1000 + (ms % 1000 ? 1 : 0);
	} else {
		api_problem(c->req, 400,
		    "'%s' must be a number of seconds, or text such as \"90s\", \"15m\", \"2h\", "
		    "\"7d\"",
		    key);
		return false;
	}
	if (s >= 1 && s <= max_s) {
		*out_s = s;
		return true;
	}
	sg_duration_format(most, sizeof(most), max_s * 1000);
	api_problem(c->req, 400, "'%s' must be from 1s to %s", key, most);
	return false;
}

/* ---- what it is about ---- */

bool api_is_app(struct api_call *c, struct sg_str app)
{
	if (!app.p || sg_app_is_valid(app))
		return true;
	api_problem(c->req, 400, "'app' must be 1 to 32 of A-Z a-z 0-9 _ -");
	return false;
}

bool api_is_stream(struct api_call *c, struct sg_str stream)
{
	if (!stream.p || sg_stream_is_valid(stream))
		return true;
	api_problem(c->req, 400,
	    "'streamId' must be 1 to 128 of A-Z a-z 0-9 . _ - with no dot at the start");
	return false;
}

bool api_is_type(struct api_call *c, struct sg_str text, int *type)
{
	enum sg_token_type parsed;

	if (!text.p)
		return true;
	if (!sg_token_type_parse(text, &parsed)) {
		api_problem(c->req, 400, "'type' must be play or publish");
		return false;
	}
	*type = (int)parsed;
	return true;
}

/* ---- query parameters ---- */

bool api_check_query(struct api_call *c)
{
	char text[200];
	const char *names[KNOWN_MAX], *key;
	bool seen[KNOWN_MAX] = {false};
	size_t count = 0, i;

	if (!c->route->query)
		return true;
	snprintf(text, sizeof(text), "%s", c->route->query);
	for (char *left = text, *name; count < KNOWN_MAX && (name = strsep(&left, " "));)
		if (*name)
			names[count++] = name;
	for (size_t n = 0; (key = sg_http_query_name(c->req, n)); n++) {
		for (i = 0; i < count && strcmp(names[i], key) != 0;)
			i++;
		if (i == count) {
			refuse_unknown(c, "query parameter", key, names, count);
			return false;
		}
		if (seen[i]) {
			api_problem(c->req, 400, "'%s' is there twice", names[i]);
			return false;
		}
		seen[i] = true;
	}
	return true;
}

struct sg_str api_query(const struct api_call *c, const char *key)
{
	struct sg_str value = sg_http_query(c->req, key);

	return value.len ? value : (struct sg_str){0};
}

bool api_query_stream(struct api_call *c, struct sg_str *app, struct sg_str *stream)
{
	*app = api_query(c, "app");
	*stream = api_query(c, "streamId");
	return api_is_app(c, *app) && api_is_stream(c, *stream);
}

bool api_query_type(struct api_call *c, int *type)
{
	*type = 0;
	return api_is_type(c, api_query(c, "type"), type);
}

bool api_query_limit(struct api_call *c, size_t fallback, size_t *out)
{
	struct sg_str text = api_query(c, "limit");
	uint64_t n = fallback;

	if (text.p && (!sg_str_to_u64(text, API_PAGE_MAX, &n) || !n)) {
		api_problem(c->req, 400, "'limit' must be from 1 to %d", API_PAGE_MAX);
		return false;
	}
	*out = (size_t)n;
	return true;
}

bool api_query_id(struct api_call *c, const char *key, uint64_t *out)
{
	struct sg_str text = api_query(c, key);

	if (!text.p || sg_id_parse(text, out))
		return true;
	api_problem(c->req, 400, "'%s' must be an id as the lists show it", key);
	return false;
}

bool api_query_flag(struct api_call *c, const char *key, bool *out)
{
	struct sg_str text = api_query(c, key);

	*out = sg_str_is(text, "true");
	if (!text.p || *out || sg_str_is(text, "false"))
		return true;
	api_problem(c->req, 400, "'%s' must be true or false", key);
	return false;
}
