/* problem.c - errors as application/problem+json (RFC 9457). */
#include "api/api_internal.h"
#include <stdarg.h>

static const struct {
	unsigned status;
	const char *title;
} titles[] = {
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
};

static const char *title_of(unsigned status)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

void api_problem_with(
    struct sg_http_request *req, unsigned status, const char *detail, json_t *members)
{
	json_t *o = json_pack("{ss ss si so}", "type", "about:blank", "title", title_of(status),
	    "status", (int)status, "detail", api_json_text(detail));

	json_object_update(o, members);
	json_decref(members);
	char *body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	sg_http_add_header(req, "Cache-Control", "no-store");
	sg_http_respond(req, status, "application/problem+json", sg_str_from(body));
	free(body);
}

void api_refuse(struct sg_http_request *req, unsigned status, const char *message)
{
	api_problem_with(req, status, message, NULL);
}

void api_problem(struct sg_http_request *req, unsigned status, const char *detail, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, detail);
	vsnprintf(text, sizeof(text), detail, ap);
	va_end(ap);
	api_problem_with(req, status, text, NULL);
}

void api_try_later(
    struct sg_http_request *req, unsigned status, unsigned seconds, const char *detail)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", seconds);
	sg_http_add_header(req, "Retry-After", text);
	api_problem(req, status, "%s", detail);
}

void api_store_failed(struct api_call *c, const char *doing)
{
	sg_log_limited(SG_LOG_ERROR, "api: %s: %s", doing, sg_store_error(c->store));
	api_try_later(c->req, 503, 1, "the store does not answer: try again in a moment");
}
