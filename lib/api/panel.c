/* panel.c - the web panel's files, built in, and the headers that keep it to itself. */
#include "api/panel.h"
#include "api/api_internal.h"

/* name, path below web-panel/, media type. The first is "/". */
#define PANEL_FILES(X)                                                                             \
	X(index, "index.html", "text/html; charset=utf-8")                                         \
	X(css, "panel.css", "text/css; charset=utf-8")                                             \
	X(icon, "icon.svg", "image/svg+xml")                                                       \
	X(main, "main.js", SCRIPT)                                                                 \
	X(dom, "dom.js", SCRIPT)                                                                   \
	X(api, "api.js", SCRIPT)                                                                   \
	X(words, "words.js", SCRIPT)                                                               \
	X(dialog, "dialog.js", SCRIPT)                                                             \
	X(list, "list.js", SCRIPT)                                                                 \
	X(signin, "signin.js", SCRIPT)                                                             \
	X(account, "account.js", SCRIPT)                                                           \
	X(live, "live.js", SCRIPT)                                                                 \
	X(preview, "preview.js", SCRIPT)                                                           \
	X(control, "control.js", SCRIPT)                                                           \
	X(tokens, "tokens.js", SCRIPT)                                                             \
	X(tokennew, "token_new.js", SCRIPT)                                                        \
	X(revoke, "revoke.js", SCRIPT)                                                             \
	X(qr, "qr.js", SCRIPT)                                                                     \
	X(sessions, "sessions.js", SCRIPT)                                                         \
	X(recordings, "recordings.js", SCRIPT)                                                     \
	X(audit, "audit.js", SCRIPT)
#define SCRIPT "text/javascript; charset=utf-8"

/* The assembler reads the file; make knows that this object depends on it (tests/panel.mk). */
#define PANEL_EMBED(name, path, type)                                                              \
	__asm__(".pushsection .rodata\n"                                                           \
		"panel_" #name "_begin:\n"                                                         \
		".incbin \"web-panel/" path "\"\n"                                                 \
		"panel_" #name "_end:\n"                                                           \
		".byte 0\n"                                                                        \
		".popsection\n");                                                                  \
	extern const char panel_##name##_begin[], panel_##name##_end[];
PANEL_FILES(PANEL_EMBED)

static const struct panel_file {
	const char *name, *type, *begin, *end;
} files[] = {
#define PANEL_ROW(name, path, type) {path, type, panel_##name##_begin, panel_##name##_end},
    PANEL_FILES(PANEL_ROW)
#undef PANEL_ROW
};
#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

/* Nothing from elsewhere, no inline script or style, in nobody's frame. */
static const char *const headers[][2] = {
    {"Content-Security-Policy",
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
	"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), microphone=(), geolocation=()"},
    {"Cache-Control", "no-cache"},
};

/* Tells one build's file from another's, no more. */
static void put_etag(char out[24], const struct panel_file *f)
{
	uint64_t h = sg_fnv1a(SG_FNV1A_START, f->begin, (size_t)(f->end - f->begin));

	snprintf(out, 24, "\"%016llx\"", (unsigned long long)h);
}

static void serve(struct sg_http_request *req, const struct panel_file *f)
{
	char etag[24];

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		sg_http_add_header(req, headers[i][0], headers[i][1]);
	put_etag(etag, f);
	sg_http_add_header(req, "ETag", etag);
	struct sg_str known = sg_http_header(req, "If-None-Match");
	if (known.p && sg_str_is(known, etag))
		sg_http_respond(req, 304, NULL, (struct sg_str){0});
	else
		sg_http_respond(
		    req, 200, f->type, (struct sg_str){f->begin, (size_t)(f->end - f->begin)});
}

static void panel_root(struct sg_http_request *req, void *user)
{
	if (api_check_address(user, req) && api_check_host(user, req))
		serve(req, &files[0]);
}

static void panel_file(struct sg_http_request *req, void *user)
{
	if (!api_check_address(user, req) || !api_check_host(user, req))
		return;
	for (size_t i = 1; i < FILE_COUNT; i++) {
		if (sg_str_is(sg_http_part(req, 0), files[i].name)) {
			serve(req, &files[i]);
			return;
		}
	}
	sg_http_refuse(req, 404, "there is no such file");
}

void api_panel_routes(struct sg_api *api)
{
	sg_http_route(api->cfg.http, SG_HTTP_GET, "/", panel_root, api);
	sg_http_route(api->cfg.http, SG_HTTP_GET, "/panel/{}", panel_file, api);
}
