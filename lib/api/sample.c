/* sample.c - the sample pages, built in, and the headers that keep them to themselves. */
#include "api/sample.h"
#include "gate/gate.h"
#include "http/http.h"
#include <stdio.h>

/* name, file below web-panel/sample/, media type. */
#define SAMPLE_FILES(X)                                                                            \
	X(publish, "publish.html", "text/html; charset=utf-8")                                     \
	X(play, "play.html", "text/html; charset=utf-8")                                           \
	X(css, "sample.css", "text/css; charset=utf-8")                                            \
	X(rtc, "rtc.js", "text/javascript; charset=utf-8")                                         \
	X(publishjs, "publish.js", "text/javascript; charset=utf-8")                               \
	X(playjs, "play.js", "text/javascript; charset=utf-8")
#define PAGES 2 /* the first ones have an address of their own */

/* The assembler reads the file; make knows that this object depends on it (tests/panel.mk). */
#define SAMPLE_EMBED(name, path, type)                                                             \
	__asm__(".pushsection .rodata\n"                                                           \
		"sample_" #name "_begin:\n"                                                        \
		".incbin \"web-panel/sample/" path "\"\n"                                          \
		"sample_" #name "_end:\n"                                                          \
		".byte 0\n"                                                                        \
		".popsection\n");                                                                  \
	extern const char sample_##name##_begin[], sample_##name##_end[];
SAMPLE_FILES(SAMPLE_EMBED)

static const struct sample_file {
	const char *name, *type, *begin, *end;
} files[] = {
#define SAMPLE_ROW(name, path, type) { path, type, sample_##name##_begin, sample_##name##_end },
	SAMPLE_FILES(SAMPLE_ROW)
#undef SAMPLE_ROW
};
#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

/* Nothing from elsewhere, no inline script or style. The address may hold a token: it goes to nobody. */
static const char *const headers[][2] = {
	{ "Content-Security-Policy",
	    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
	    "media-src 'self' blob:; connect-src 'self'; frame-ancestors 'self'; base-uri 'none'; "
	    "form-action 'none'" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Permissions-Policy",
	    "camera=(self), microphone=(self), display-capture=(self), geolocation=()" },
	{ "Cache-Control", "no-cache" },
};

static void serve(struct sg_http_request *req, const struct sample_file *f)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		sg_http_add_header(req, headers[i][0], headers[i][1]);
	sg_http_respond(req, 200, f->type, (struct sg_str){ f->begin, (size_t)(f->end - f->begin) });
}

static void serve_named(
    struct sg_http_request *req, struct sg_gate *gate, struct sg_str name, size_t from, size_t to)
{
	if (sg_gate_has_app(gate, sg_http_part(req, 0)))
		for (size_t i = from; i < to; i++)
			if (sg_str_is(name, files[i].name)) {
				serve(req, &files[i]);
				return;
			}
	sg_http_refuse(req, 404, "not found");
}

static void on_publish_page(struct sg_http_request *req, void *gate)
{
	serve_named(req, gate, SG_STR("publish.html"), 0, PAGES);
}

static void on_play_page(struct sg_http_request *req, void *gate)
{
	serve_named(req, gate, SG_STR("play.html"), 0, PAGES);
}

static void on_sample_file(struct sg_http_request *req, void *gate)
{
	serve_named(req, gate, sg_http_part(req, 1), PAGES, FILE_COUNT);
}

void api_sample_routes(struct sg_http_server *http, struct sg_gate *gate)
{
	sg_http_route(http, SG_HTTP_GET, "/{}/publish.html", on_publish_page, gate);
	sg_http_route(http, SG_HTTP_GET, "/{}/play.html", on_play_page, gate);
	sg_http_route(http, SG_HTTP_GET, "/{}/sample/{}", on_sample_file, gate);
}
