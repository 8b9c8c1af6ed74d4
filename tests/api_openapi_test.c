/* The description (lib/api/openapi.json) against the program: every call of the table is in it and the
 * other way round, every answer has the shape that it tells, and what it does not allow is refused. */
#include "api_fixture.h"

static json_t *doc;

static int set_up(void **state)
{
	struct sg_str text = api_openapi_text();
	json_error_t error;

	*state = api_fixture_open("");
	doc = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &error);
	if (!doc)
		fail_msg("openapi.json:%d: %s", error.line, error.text);
	return 0;
}

static int tear_down(void **state)
{
	json_decref(doc);
	api_fixture_close(*state);
	return 0;
}

/* ---- a small validator: type, enum, required, properties, additionalProperties, items, oneOf, $ref ---- */

static const json_t *at(const json_t *o, const char *key)
{
	return json_object_get(o, key);
}

static const json_t *resolve(const json_t *schema)
{
	const char *ref = json_string_value(at(schema, "$ref"));

	if (!ref)
		return schema;
	assert_int_equal(strncmp(ref, "#/components/schemas/", 21), 0);
	const json_t *found = at(at(at(doc, "components"), "schemas"), ref + 21);
	if (!found)
		fail_msg("%s is nowhere", ref);
	return found;
}

static bool is_type(const json_t *v, const char *type)
{
	static const char *const names[] = {[JSON_OBJECT] = "object", [JSON_ARRAY] = "array",
	    [JSON_STRING] = "string", [JSON_INTEGER] = "integer", [JSON_REAL] = "number",
	    [JSON_TRUE] = "boolean", [JSON_FALSE] = "boolean", [JSON_NULL] = "null"};

	return !strcmp(names[json_typeof(v)], type) || (json_is_integer(v) && !strcmp(type, "number"));
}

static bool type_fits(const json_t *v, const json_t *type)
{
	size_t i;
	json_t *one;

	if (!type || json_is_string(type))
		return !type || is_type(v, json_string_value(type));
	json_array_foreach(type, i, one) if (is_type(v, json_string_value(one))) return true;
	return false;
}

static bool is_listed(const json_t *v, const json_t *list)
{
	size_t i;
	json_t *one;

	json_array_foreach(list, i, one) if (json_equal(v, one)) return true;
	return list == NULL;
}

static bool fits(const json_t *v, const json_t *schema, char *why);

static bool object_fits(const json_t *v, const json_t *schema, char *why)
{
	const json_t *more = at(schema, "additionalProperties");
	const char *key;
	json_t *value;
	size_t i;

	json_array_foreach(at(schema, "required"), i, value) if (!at(v, json_string_value(value)))
	{
		snprintf(why, 200, "%s is missing", json_string_value(value));
		return false;
	}
	json_object_foreach((json_t *)v, key, value)
	{
		const json_t *property = at(at(schema, "properties"), key);
		if (!property)
			property = json_is_object(more) ? more : NULL;
		if (!property && json_is_false(more)) {
			snprintf(why, 200, "%s is not described", key);
			return false;
		}
		if (property && !fits(value, property, why)) {
			snprintf(why + strlen(why), 200 - strlen(why), " in %.60s", key);
			return false;
		}
	}
	return true;
}

static bool fits(const json_t *v, const json_t *schema, char *why)
{
	const json_t *choices;
	size_t i;
	json_t *one;

	schema = resolve(schema);
	if ((choices = at(schema, "oneOf"))) {
		json_array_foreach(choices, i, one) if (fits(v, one, why)) return true;
		return false;
	}
	if (!type_fits(v, at(schema, "type")) || !is_listed(v, at(schema, "enum"))) {
		snprintf(why, 200, "the type or value");
		return false;
	}
	json_array_foreach(v, i, one) if (at(schema, "items") && !fits(one, at(schema, "items"), why))
	    return false;
	return !json_is_object(v) || object_fits(v, schema, why);
}

/* ---- the description itself ---- */

/* "/api/v1/tokens/{id}" as the table writes it: "/api/v1/tokens/{}". */
static void as_pattern(char *out, const char *path)
{
	for (bool inside = false; *path; path++) {
		if (*path == '}')
			inside = false;
		if (!inside)
			*out++ = *path;
		if (*path == '{')
			inside = true;
	}
	*out = '\0';
}

static const char *method_name(unsigned method)
{
	return method == SG_HTTP_GET ? "get" : method == SG_HTTP_POST ? "post"
	    : method == SG_HTTP_PATCH ? "patch" : "delete";
}

/* The operation of a call; NULL: it is not described. */
static const json_t *operation(unsigned method, const char *pattern)
{
	const char *path;
	json_t *item;
	char shape[200];

	json_object_foreach((json_t *)at(doc, "paths"), path, item)
	{
		as_pattern(shape, path);
		if (!strcmp(shape, pattern))
			return at(item, method_name(method));
	}
	return NULL;
}

static void every_call_is_described_with_its_scope(void **state)
{
	size_t count, described = 0;
	const struct api_route *routes = api_routes(&count);
	const char *path;
	json_t *item;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const json_t *op = operation(routes[i].method, routes[i].pattern);
		const char *scope = routes[i].scope == API_OPEN ? "none" : sg_scope_name(routes[i].scope);
		if (!op || strcmp(text_of(op, "x-scope"), scope) || !*text_of(op, "summary"))
			fail_msg("%s %s", method_name(routes[i].method), routes[i].pattern);
	}
	json_object_foreach((json_t *)at(doc, "paths"), path, item) described += json_object_size(item);
	assert_int_equal(described, count); /* and nothing else is */
}

/* The query parameters of an operation, by spaces, in its order. */
static void name_query(char *out, const json_t *op)
{
	size_t i;
	json_t *one;

	*out = '\0';
	json_array_foreach(at(op, "parameters"), i, one)
	{
		if (!strcmp(text_of(one, "in"), "query"))
			out += sprintf(out, " %s", text_of(one, "name"));
	}
}

static void every_query_is_described_and_no_other_is_taken(void **state)
{
	struct api_fixture *a = *state;
	size_t count;
	const struct api_route *routes = api_routes(&count);
	char names[300];

	for (size_t i = 0; i < count; i++) {
		name_query(names, operation(routes[i].method, routes[i].pattern));
		if (routes[i].query && strcmp(names + (*names == ' '), routes[i].query))
			fail_msg("%s %s: %s, not %s", method_name(routes[i].method), routes[i].pattern,
			    routes[i].query, names);
	}
	static const struct {
		const char *method, *target, *detail;
	} rows[] = {
	    {"GET", "/api/v1/tokens?stat=used", "there is no query parameter 'stat': did you mean 'state'?"},
	    {"GET", "/api/v1/tokens?app=live&app=vod", "'app' is there twice"},
	    {"GET", "/api/v1/me?x", "there is no query parameter 'x': known are none"},
	    {"GET", "/api/v1/tokens/0d3bq8kq4v2mc?%1b%5bm=1", "known are none"},
	    /* One letter less must not revoke what it was to spare. */
	    {"DELETE", "/api/v1/tokens?streamId=cam&typ=publish", "did you mean 'type'?"},
	    {"DELETE", "/api/v1/tokens/0d3bq8kq4v2mc?keepsessions=true", "did you mean 'keepSessions'?"},
	    {"GET", "/api/v1/events?since=4", "known are app, streamId, after"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *problem = get(a, rows[i].method, rows[i].target, NULL, 400);
		if (!strstr(text_of(problem, "detail"), rows[i].detail))
			fail_msg("%s: %s", rows[i].target, text_of(problem, "detail"));
		json_decref(problem);
	}
}

static void walk(const json_t *v)
{
	const char *key;
	json_t *one;
	size_t i;

	if (json_is_string(at(v, "$ref")))
		(void)resolve(v);
	json_array_foreach(v, i, one) walk(one);
	json_object_foreach((json_t *)v, key, one) walk(one);
}

static void every_reference_leads_somewhere(void **state)
{
	struct api_fixture *a = *state;
	struct answer answer = call(a, "GET", "/api/openapi.json", "", NULL);

	assert_int_equal(answer.r.status, 200);
	assert_true(json_equal(answer.json, doc));
	done(&answer);
	walk(doc);
}

static void the_validator_finds_what_is_wrong(void **state)
{
	const json_t *schema = at(at(at(doc, "components"), "schemas"), "Revoked");
	static const struct {
		const char *text;
		bool good;
	} rows[] = {{"{\"revoked\":1,\"sessionsEnded\":0}", true}, {"{\"revoked\":1}", false},
	    {"{\"revoked\":\"1\",\"sessionsEnded\":0}", false}, {"{\"revoked\":null,\"sessionsEnded\":0}", false},
	    {"{\"revoked\":1,\"sessionsEnded\":0,\"more\":1}", false}, {"[]", false}};
	char why[200];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *v = json_loads(rows[i].text, 0, NULL);
		assert_int_equal(fits(v, schema, why), rows[i].good);
		json_decref(v);
	}
	json_t *type = json_string("watch");
	assert_false(fits(type, at(at(resolve(at(at(at(doc, "components"), "schemas"), "Token")), "properties"), "type"), why));
	json_decref(type);
}

/* ---- answers ---- */

static const json_t *schema_of_body(const json_t *holder)
{
	const json_t *content = at(holder, "content");
	const json_t *json = at(content, "application/json");

	return at(json ? json : at(content, "application/problem+json"), "schema");
}

/* An answer must be one that is described for its call: success as told, else a problem. */
static void assert_described(const struct answer *answer, const json_t *op, const char *what)
{
	char status[8], why[200] = "";

	snprintf(status, sizeof(status), "%d", answer->r.status);
	const json_t *told = at(at(op, "responses"), status);
	if (!told && answer->r.status >= 400)
		told = at(at(op, "responses"), "default");
	if (!told)
		fail_msg("%s: %s is not described", what, status);
	const json_t *schema = schema_of_body(told);
	if (at(at(told, "content"), reply_header(&answer->r, "Content-Type")) && !schema)
		return; /* SDP */
	if (!schema && answer->r.body_len)
		fail_msg("%s: %s has a body", what, status);
	if (schema && (!answer->json || !fits(answer->json, schema, why)))
		fail_msg("%s: %s: %s: %s", what, status, why, answer->r.body);
}

struct row {
	const char *method, *path, *pattern, *body;
	int status;
};

static void try_row(struct api_fixture *a, const struct row *row, const char *headers)
{
	unsigned method = !strcmp(row->method, "GET") ? SG_HTTP_GET : !strcmp(row->method, "POST") ? SG_HTTP_POST
	    : !strcmp(row->method, "PATCH") ? SG_HTTP_PATCH : SG_HTTP_DELETE;
	const json_t *op = operation(method, row->pattern);
	struct answer answer = call(a, row->method, row->path, headers, row->body);

	assert_non_null(op);
	if (row->status && answer.r.status != row->status)
		fail_msg("%s %s %s: %d %s", row->method, row->path, row->body ? row->body : "",
		    answer.r.status, answer.r.body ? answer.r.body : "");
	assert_described(&answer, op, row->path);
	done(&answer);
}

/* One token, one session, one recording, some audit: so that lists have rows to look at. */
static void fill(struct api_fixture *a, char id[SG_ID_TEXT_SIZE], char token[SG_TOKEN_TEXT_SIZE])
{
	char command[200], body[200];
	json_t *t = get(a, "POST", "/api/v1/tokens", "{\"streamId\":\"cam\",\"label\":\"caf\\u00e9\",\"maxUses\":2}", 201);

	snprintf(id, SG_ID_TEXT_SIZE, "%s", text_of(t, "id"));
	snprintf(token, SG_TOKEN_TEXT_SIZE, "%s", text_of(t, "tokenId"));
	json_decref(t);
	snprintf(command, sizeof(command), "printf 1 >%s/rec/live/cam.mp4", a->f->dir);
	assert_int_equal(system(command), 0);
	json_decref(get(a, "PATCH", "/api/v1/apps/live", "{\"playTokenControlEnabled\":true,"
	    "\"streams\":{\"open\":{\"playTokenControlEnabled\":false}}}", 200));
	snprintf(body, sizeof(body), "{\"streamId\":\"cam\",\"token\":\"%s\"}", token);
	json_decref(get(a, "POST", "/api/v1/authorize", body, 204));
	get(a, "GET", "/api/v1/authorize?streamId=open", NULL, 204);
}

static void every_answer_has_the_shape_that_is_told(void **state)
{
	struct api_fixture *a = *state;
	char id[SG_ID_TEXT_SIZE], token[SG_TOKEN_TEXT_SIZE], path[100], check[200];

	fill(a, id, token);
	snprintf(path, sizeof(path), "/api/v1/tokens/%s", id);
	snprintf(check, sizeof(check), "{\"streamId\":\"cam\",\"tokenId\":\"%s\"}", token);
	const struct row rows[] = {
	    {"GET", "/api/v1/me", "/api/v1/me", NULL, 200},
	    {"POST", "/api/v1/tokens", "/api/v1/tokens", "{\"streamId\":\"a\"}", 201},
	    {"POST", "/api/v1/tokens", "/api/v1/tokens", "{\"streamId\":\"a\",\"count\":3,\"type\":\"publish\","
		"\"app\":\"live\",\"expiresIn\":\"2h\",\"resume\":30,\"maxUses\":5,\"label\":\"x\"}", 201},
	    {"POST", "/api/v1/tokens", "/api/v1/tokens", "{\"streamId\":\"a\",\"expireDate\":4000000000}", 201},
	    {"GET", "/api/v1/tokens", "/api/v1/tokens", NULL, 200},
	    {"GET", "/api/v1/tokens?limit=1", "/api/v1/tokens", NULL, 200},
	    {"GET", path, "/api/v1/tokens/{}", NULL, 200},
	    {"GET", "/api/v1/tokens/x", "/api/v1/tokens/{}", NULL, 404},
	    {"POST", "/api/v1/tokens/check", "/api/v1/tokens/check", check, 200},
	    {"POST", "/api/v1/tokens/check", "/api/v1/tokens/check", "{\"streamId\":\"cam\"}", 200},
	    {"GET", "/api/v1/apps", "/api/v1/apps", NULL, 200},
	    {"GET", "/api/v1/apps/live", "/api/v1/apps/{}", NULL, 200},
	    {"GET", "/api/v1/apps/none", "/api/v1/apps/{}", NULL, 404},
	    {"GET", "/api/v1/streams", "/api/v1/streams", NULL, 200},
	    {"GET", "/api/v1/streams/live/none", "/api/v1/streams/{}/{}", NULL, 404},
	    {"DELETE", "/api/v1/streams/live/none", "/api/v1/streams/{}/{}", NULL, 404},
	    {"GET", "/api/v1/sessions", "/api/v1/sessions", NULL, 200},
	    {"GET", "/api/v1/sessions?limit=1", "/api/v1/sessions", NULL, 200},
	    {"DELETE", "/api/v1/sessions/x", "/api/v1/sessions/{}", NULL, 404},
	    {"GET", "/api/v1/recordings", "/api/v1/recordings", NULL, 200},
	    {"GET", "/api/v1/recordings/live/cam.mp4", "/api/v1/recordings/{}/{}", NULL, 200},
	    {"GET", "/api/v1/recordings/live/none.mp4", "/api/v1/recordings/{}/{}", NULL, 404},
	    {"GET", "/api/v1/recordings/live/none.mp4/file", "/api/v1/recordings/{}/{}/file", NULL, 404},
	    {"PATCH", "/api/v1/recordings/live/cam.mp4", "/api/v1/recordings/{}/{}", "{\"name\":\"../x.mp4\"}", 400},
	    {"PATCH", "/api/v1/recordings/live/cam.mp4", "/api/v1/recordings/{}/{}", "{\"name\":\"film.mp4\"}", 200},
	    {"GET", "/api/v1/recordings?streamId=cam", "/api/v1/recordings", NULL, 200},
	    {"DELETE", "/api/v1/recordings/live/film.mp4", "/api/v1/recordings/{}/{}", NULL, 200},
	    {"DELETE", "/api/v1/recordings/live/film.mp4", "/api/v1/recordings/{}/{}", NULL, 404},
	    {"PATCH", "/api/v1/apps/live", "/api/v1/apps/{}", "{\"record\":\"ask\",\"streams\":{\"cam\":{\"record\":\"on\"}}}", 200},
	    {"GET", "/api/v1/apps/live", "/api/v1/apps/{}", NULL, 200},
	    {"PATCH", "/api/v1/apps/live", "/api/v1/apps/{}", "{\"record\":null,\"streams\":{\"cam\":null}}", 200},
	    {"PATCH", "/api/v1/apps/live", "/api/v1/apps/{}", "{\"record\":\"maybe\"}", 400},
	    {"PATCH", "/api/v1/apps/live", "/api/v1/apps/{}", "{\"streams\":{\"cam\":{\"record\":\"ask\"}}}", 400},
	    {"GET", "/api/v1/relays", "/api/v1/relays", NULL, 200},
	    {"GET", "/api/v1/audit", "/api/v1/audit", NULL, 200},
	    {"POST", "/api/v1/streams/live/none/preview", "/api/v1/streams/{}/{}/preview", NULL, 415},
	    {"PATCH", "/api/v1/streams/live/cam/preview/x", "/api/v1/streams/{}/{}/preview/{}", NULL, 404},
	    {"DELETE", "/api/v1/streams/live/cam/preview/x", "/api/v1/streams/{}/{}/preview/{}", NULL, 404},
	    {"POST", "/api/v1/streams/none/cam/preview", "/api/v1/streams/{}/{}/preview", NULL, 404},
	    {"GET", "/api/v1/authorize?streamId=cam", "/api/v1/authorize", NULL, 401},
	    {"GET", "/api/v1/authorize?streamId=cam&token=x", "/api/v1/authorize", NULL, 403},
	    {"DELETE", path, "/api/v1/tokens/{}", NULL, 200},
	    {"DELETE", "/api/v1/tokens?streamId=a", "/api/v1/tokens", NULL, 200},
	    {"PATCH", "/api/v1/apps/live", "/api/v1/apps/{}", "{\"endSessions\":true,\"streams\":{\"open\":null}}", 200},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		try_row(a, &rows[i], a->bearer);
	const struct row unknown = {"GET", "/api/v1/tokens", "/api/v1/tokens", NULL, 401};
	try_row(a, &unknown, "");
}

static void answers_about_a_live_stream_have_the_shape_that_is_told(void **state)
{
	struct api_fixture *a = *state;
	static const uint8_t config[] = {0xaf, 0, 0x12, 0x10}; /* AAC-LC, 44.1 kHz, 2 channels */
	static const uint8_t frame[] = {0xaf, 1, 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c};
	const struct row rows[] = {{"GET", "/api/v1/streams", "/api/v1/streams", NULL, 200},
	    {"GET", "/api/v1/streams/live/cam", "/api/v1/streams/{}/{}", NULL, 200},
	    {"POST", "/api/v1/streams/live/cam/preview", "/api/v1/streams/{}/{}/preview",
		"v=0\r\nm=video 9 X 96\r\n", 201},
	    {"DELETE", "/api/v1/streams/live/cam", "/api/v1/streams/{}/{}", NULL, 200}};
	struct sg_publisher *publisher = NULL;
	char headers[200];

	assert_int_equal(sg_hub_publish(a->f->hub, SG_STR("live"), SG_STR("cam"), "rtmp", &publisher), SG_OK);
	assert_int_equal(sg_publisher_write_flv(publisher, 8, 0, config, sizeof(config)), SG_OK);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(sg_publisher_write_flv(publisher, 8, i * 23, frame, sizeof(frame)), SG_OK);
	snprintf(headers, sizeof(headers), "%sContent-Type: application/sdp\r\n", a->bearer);
	for (size_t i = 0; i < 4; i++)
		try_row(a, &rows[i], headers);
	sg_publisher_close(publisher, true);
}

static void signing_in_has_the_shape_that_is_told(void **state)
{
	struct api_fixture *a = *state;
	char code[64], setup[200];

	setup_code(a, code);
	snprintf(setup, sizeof(setup), "{\"code\":\"%s\",\"password\":\"" PASSWORD "\"}", code);
	const struct row rows[] = {
	    {"POST", "/api/v1/login", "/api/v1/login", "{\"password\":\"x\"}", 409},
	    {"POST", "/api/v1/setup", "/api/v1/setup", "{\"code\":\"\",\"password\":\"" PASSWORD "\"}", 403},
	    {"POST", "/api/v1/setup", "/api/v1/setup", setup, 200},
	    {"POST", "/api/v1/setup", "/api/v1/setup", setup, 409},
	    {"POST", "/api/v1/login", "/api/v1/login", "{\"password\":\"wrong horse\"}", 401},
	    {"POST", "/api/v1/login", "/api/v1/login", "{\"password\":\"" PASSWORD "\"}", 200},
	    {"GET", "/api/v1/me", "/api/v1/me", NULL, 200},
	    {"POST", "/api/v1/logout", "/api/v1/logout", NULL, 204},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		try_row(a, &rows[i], PAGE);
}

/* ---- bodies that are not as told ---- */

static uint32_t dice(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static json_t *something(uint32_t *seed)
{
	static const char *const words[] = {"", "x", "cam", "live", "play", "\xc3\xa9", "../..", "2h", "-1", "%00",
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};

	switch (dice(seed) % 9) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(dice(seed) & 1);
	case 2:
		return json_integer((json_int_t)dice(seed) - 5000000);
	case 3:
		return json_integer(INT64_MIN);
	case 4:
		return json_real(1e308);
	case 5:
		return json_pack("[s,i]", "x", 1);
	case 6:
		return json_pack("{s:n}", "x");
	default:
		return json_string(words[dice(seed) % (sizeof(words) / sizeof(words[0]))]);
	}
}

/* A body of the described fields, some of them other things, some unknown ones. */
static json_t *some_body(const json_t *schema, uint32_t *seed)
{
	json_t *body = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)at(resolve(schema), "properties"), key, value)
	{
		if (dice(seed) % 2)
			json_object_set_new(body, key, something(seed));
	}
	if (dice(seed) % 4 == 0)
		json_object_set_new(body, "unknown", something(seed));
	return body;
}

/* What the schema does not allow is a 400, and no body whatever makes an answer that is not described. */
static void fuzz(struct api_fixture *a, const char *method, const char *path, const char *pattern, uint32_t seed)
{
	unsigned bits = !strcmp(method, "POST") ? SG_HTTP_POST : SG_HTTP_PATCH;
	const json_t *op = operation(bits, pattern), *schema = schema_of_body(at(op, "requestBody"));
	char why[200];

	for (int i = 0; i < 250; i++) {
		json_t *body = some_body(schema, &seed);
		char *text = json_dumps(body, JSON_COMPACT);
		struct answer answer = call(a, method, path, a->bearer, text);

		assert_described(&answer, op, text);
		if (!fits(body, schema, why) && answer.r.status != 400)
			fail_msg("%s %s: %s, yet %d", path, text, why, answer.r.status);
		if (answer.r.status >= 500)
			fail_msg("%s %s: %d", path, text, answer.r.status);
		done(&answer);
		free(text);
		json_decref(body);
	}
}

static void what_is_not_told_is_refused(void **state)
{
	struct api_fixture *a = *state;

	fuzz(a, "POST", "/api/v1/tokens", "/api/v1/tokens", 1);
	fuzz(a, "POST", "/api/v1/tokens/check", "/api/v1/tokens/check", 2);
	fuzz(a, "PATCH", "/api/v1/apps/live", "/api/v1/apps/{}", 3);
	fuzz(a, "POST", "/api/v1/authorize", "/api/v1/authorize", 4);
}

/* Bytes that are no JSON, and JSON cut or bent anywhere. */
static void broken_bodies_are_problems(void **state)
{
	struct api_fixture *a = *state;
	const char *good = "{\"streamId\":\"cam\",\"label\":\"x\",\"count\":2}";
	const json_t *op = operation(SG_HTTP_POST, "/api/v1/tokens");
	uint32_t seed = 5;

	for (size_t i = 0; i < strlen(good); i++) {
		char text[100];
		snprintf(text, sizeof(text), "%.*s", (int)i, good);
		struct answer answer = call(a, "POST", "/api/v1/tokens", a->bearer, text);
		assert_int_equal(answer.r.status, 400);
		assert_described(&answer, op, text);
		done(&answer);
		snprintf(text, sizeof(text), "%s", good);
		text[i] = (char)(1 + dice(&seed) % 255);
		answer = call(a, "POST", "/api/v1/tokens", a->bearer, text);
		assert_true(answer.r.status == 400 || answer.r.status == 201);
		assert_described(&answer, op, text);
		done(&answer);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(every_call_is_described_with_its_scope),
	    CASE(every_query_is_described_and_no_other_is_taken),
	    CASE(every_reference_leads_somewhere),
	    CASE(the_validator_finds_what_is_wrong),
	    CASE(every_answer_has_the_shape_that_is_told),
	    CASE(answers_about_a_live_stream_have_the_shape_that_is_told),
	    CASE(signing_in_has_the_shape_that_is_told),
	    CASE(what_is_not_told_is_refused),
	    CASE(broken_bodies_are_problems),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
