/* compat_answer.c - Ant Media's shapes: the universal small answer, bodies, pages. */
#include "api/compat_internal.h"

/* ---- out ---- */

/* What is not there is null in version 1, and empty text in version 2. */
static json_t *text_or_none(const char *text, bool v1)
{
	return text ? api_json_text(text) : v1 ? json_null() : json_string("");
}

static json_t *result(bool v1, bool success, const char *message, const char *data_id)
{
	return json_pack("{sb so so si}", "success", (int)success, "message",
	    text_or_none(message, v1), "dataId", text_or_none(data_id, v1), "errorId", 0);
}

void compat_result(
    struct api_call *c, unsigned status, bool success, const char *message, const char *data_id)
{
	api_answer(c, status, result(compat_is_v1(c), success, message, data_id));
}

void compat_refuse(struct sg_http_request *req, unsigned status, const char *message)
{
	json_t *o = result(false, false, message, NULL);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	sg_http_add_header(req, "Cache-Control", "no-store");
	sg_http_respond(req, status, "application/json", sg_str_from(text));
	free(text);
}

void compat_nothing(struct api_call *c, unsigned status)
{
	sg_http_add_header(c->req, "Cache-Control", "no-store");
	sg_http_respond(c->req, status, NULL, (struct sg_str){0});
}

void compat_store_failed(struct api_call *c, const char *doing)
{
	sg_log_limited(SG_LOG_ERROR, "api: %s: %s", doing, sg_store_error(c->store));
	sg_http_add_header(c->req, "Retry-After", "1");
	compat_result(c, 503, false, "the store does not answer: try again in a moment", NULL);
}

/* ---- in ---- */

json_t *compat_body(struct api_call *c)
{
	struct sg_str body = sg_http_body(c->req);
	json_t *value =
	    body.len ? json_loadb(body.p, body.len, JSON_DECODE_ANY, NULL) : json_object();

	if (json_is_null(value)) {
		json_decref(value);
		value = json_object();
	}
	if (json_is_object(value))
		return value;
	api_json_drop(value);
	compat_result(c, 400, false, "the body must be a JSON object", NULL);
	return NULL;
}

bool compat_is_stream(struct api_call *c, struct sg_str stream)
{
	if (sg_stream_is_valid(stream))
		return true;
	compat_result(c, 400, false,
	    "a stream id is 1 to 128 of A-Z a-z 0-9 . _ - with no dot at the start", NULL);
	return false;
}

/* A whole number, a negative one too: those count as 0. */
static bool page_number(struct sg_str text, size_t *out)
{
	bool negative = text.len > 1 && *text.p == '-';
	uint64_t n;

	if (negative)
		text.p++, text.len--;
	if (!sg_str_to_u64(text, INT32_MAX, &n))
		return false;
	*out = negative ? 0 : (size_t)n;
	return true;
}

bool compat_page(struct api_call *c, unsigned first, size_t *offset, size_t *size)
{
	const struct compat_call *call = compat_of(c);
	size_t most = compat_is_v1(c) ? COMPAT_PAGE_MAX_V1 : COMPAT_PAGE_MAX;

	if (!page_number(call->parts[first], offset) ||
	    !page_number(call->parts[first + 1], size)) {
		compat_result(c, 404, false, "offset and size are whole numbers", NULL);
		return false;
	}
	if (*size > most)
		*size = most;
	return true;
}

/* ---- who ---- */

void compat_who(struct api_call *c, char out[COMPAT_WHO_SIZE])
{
	char address[SG_ADDR_TEXT_SIZE];

	if (compat_of(c)->trusted) {
		sg_addr_format(address, sg_http_peer(c->req));
		snprintf(out, COMPAT_WHO_SIZE, "compat %s", address);
	} else {
		snprintf(out, COMPAT_WHO_SIZE, "%s", c->who);
	}
}

void compat_audit_row(struct api_call *c, struct sg_audit *row, const char *event,
    struct sg_str stream, int type, const char *detail)
{
	char who[COMPAT_WHO_SIZE];

	*row = (struct sg_audit){.at_ms = sg_wall_ms(), .type = (uint8_t)type, .protocol = "rest"};
	compat_who(c, who);
	if (!sg_http_is_local(c->req))
		sg_addr_format(row->address, sg_http_peer(c->req));
	sg_str_copy(row->app, sizeof(row->app), compat_of(c)->app);
	sg_str_copy(row->stream, sizeof(row->stream), stream);
	snprintf(row->event, sizeof(row->event), "%s", event);
	snprintf(row->detail, sizeof(row->detail), "%s%sby %s", detail, *detail ? ", " : "", who);
}
