/* recording.c - recordings over HTTP: opened without leaving their folder, answered whole or in part
 * (RFC 9110 sections 13 and 14). */
#include "http/media_internal.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

/* ---- the file ---- */

#define FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int open_resolving(int dir, const char *path, uint64_t resolve)
{
	struct open_how how = { .flags = FLAGS,
		.resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static bool is_without_openat2(int error)
{
	return error == ENOSYS || error == EPERM;
}

static int open_below(int dir, const char *path)
{
	int fd = open_resolving(dir, path, RESOLVE_BENEATH);

	if (fd >= 0 || !is_without_openat2(errno))
		return fd;
	/* An old kernel, or a sandbox that knows no openat2: step by step comes to the same. */
	const char *slash = strchr(path, '/');
	if (!slash)
		return openat(dir, path, FLAGS | O_NOFOLLOW);
	char first[SG_APP_MAX + 1];
	if (!sg_str_copy(first, sizeof(first), (struct sg_str){ path, (size_t)(slash - path) }))
		return -1;
	int sub = openat(dir, first, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return -1;
	int file = openat(sub, slash + 1, FLAGS | O_NOFOLLOW);
	close(sub);
	return file;
}

/* In one step where no part of the folder's own path is a link; `path` has no dots to leave it by. */
static int open_in_folder(const char *folder, const char *path)
{
	size_t folder_len = strlen(folder), path_len = strlen(path);
	char whole[PATH_MAX];

	if (folder_len + 1 + path_len >= sizeof(whole))
		return -1;
	memcpy(whole, folder, folder_len);
	whole[folder_len] = '/';
	memcpy(whole + folder_len + 1, path, path_len + 1);
	int fd = open_resolving(AT_FDCWD, whole, 0);
	if (fd >= 0 || (errno != ELOOP && !is_without_openat2(errno)))
		return fd;
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = open_below(dir, path);
	close(dir);
	return fd;
}

/* Not blocking, so that a FIFO cannot hold us; only a regular file is a recording. */
static int open_regular(const char *folder, const char *path, struct stat *st)
{
	int fd = open_in_folder(folder, path);

	if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

int recording_open(const struct sg_config *cfg, struct sg_str app, struct sg_str name,
    struct stat *st)
{
	char path[SG_APP_MAX + 1 + SG_STREAM_MAX + 1];

	/* Neither may hold a slash or begin with a dot. */
	if (!cfg->recording_path || !sg_app_is_valid(app) || !sg_stream_is_valid(name) ||
	    !sg_str_ends(name, ".mp4"))
		return -1;
	memcpy(path, app.p, app.len);
	path[app.len] = '/';
	memcpy(path + app.len + 1, name.p, name.len);
	path[app.len + 1 + name.len] = '\0';
	int fd = open_regular(cfg->recording_path, path, st);
	if (fd < 0 && sg_str_is(app, "live"))
		fd = open_regular(cfg->recording_path, path + app.len + 1, st);
	return fd;
}

int sg_http_recording_open(const struct sg_config *cfg, struct sg_str app, struct sg_str name)
{
	struct stat st;

	return recording_open(cfg, app, name, &st);
}

bool sg_http_recording_exists(const struct sg_config *cfg, struct sg_str app, struct sg_str name)
{
	int fd = sg_http_recording_open(cfg, app, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* ---- the answer ---- */

#define ETAG_SIZE 64

static void format_etag(char out[ETAG_SIZE], const struct stat *st)
{
	uint64_t mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
	char *at = out;

	*at++ = '"';
	at = http_put_number(at, st->st_ino, 16);
	*at++ = '-';
	at = http_put_number(at, mtime_ns, 16);
	*at++ = '-';
	at = http_put_number(at, (uint64_t)st->st_size, 16);
	memcpy(at, "\"", 2);
}

/* RFC 9110 section 13.2.2: If-None-Match rules out If-Modified-Since. */
static bool is_unchanged(
    const struct sg_http_request *req, const char *etag, const struct stat *st)
{
	struct sg_str none = sg_http_header(req, "If-None-Match");
	int64_t since;

	if (none.p)
		return http_etag_listed(none, sg_str_from(etag));
	return http_date_parse(sg_http_header(req, "If-Modified-Since"), &since) &&
	       st->st_mtim.tv_sec <= since;
}

/* RFC 9110 section 13.1.5: a strong comparison, or the very date. */
static bool range_applies(
    const struct sg_http_request *req, const char *etag, const struct stat *st)
{
	struct sg_str condition = sg_http_header(req, "If-Range");
	int64_t date;

	if (!condition.p || sg_str_is(condition, etag))
		return true;
	return http_date_parse(condition, &date) && date == st->st_mtim.tv_sec;
}

static void add_validators(
    struct sg_http_request *req, const char *etag, const struct stat *st)
{
	char date[HTTP_DATE_SIZE];

	http_date_format(date, st->st_mtim.tv_sec);
	sg_http_add_header(req, "ETag", etag);
	sg_http_add_header(req, "Last-Modified", date);
	sg_http_add_header(req, "Accept-Ranges", "bytes");
	sg_http_add_header(req, "Cache-Control", "private, no-cache");
}

void recording_answer(
    struct sg_http_request *req, int fd, const struct stat *st, struct sg_str name, const char *sid)
{
	uint64_t size = (uint64_t)st->st_size, offset = 0, length = size;
	char etag[ETAG_SIZE], text[SG_STREAM_MAX + 64];
	enum http_range range = HTTP_RANGE_NONE;

	format_etag(etag, st);
	add_validators(req, etag, st);
	if (sid) { /* where a player without cookies finds its session again */
		snprintf(text, sizeof(text), "s/%s/%.*s", sid, SG_STR_ARG(name));
		sg_http_add_header(req, "Content-Location", text);
	}
	if (is_unchanged(req, etag, st)) {
		http_respond_file(req, 304, NULL, fd, 0, 0);
		return;
	}
	if (range_applies(req, etag, st))
		range = http_range_parse(sg_http_header(req, "Range"), size, &offset, &length);
	if (range == HTTP_RANGE_UNSATISFIABLE) {
		snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)size);
		sg_http_add_header(req, "Content-Range", text);
		http_respond_file(req, 416, NULL, fd, 0, 0);
		return;
	}
	if (range == HTTP_RANGE_ONE) {
		char *at = mempcpy(text, "bytes ", 6);
		at = http_put_number(at, offset, 10);
		*at++ = '-';
		at = http_put_number(at, offset + length - 1, 10);
		*at++ = '/';
		http_put_number(at, size, 10);
		sg_http_add_header(req, "Content-Range", text);
	}
	if (req->attachment.session && req->method != SG_HTTP_HEAD)
		sg_session_add_bytes(req->attachment.session, length);
	http_respond_file(req, range == HTTP_RANGE_ONE ? 206 : 200, "video/mp4", fd, offset, length);
}

bool sg_http_recording_answer(
    struct sg_http_request *req, const struct sg_config *cfg, struct sg_str app, struct sg_str name)
{
	char text[SG_STREAM_MAX + 40];
	struct stat st;
	int fd = recording_open(cfg, app, name, &st);

	if (fd < 0)
		return false;
	/* RFC 6266; nothing in a name needs escaping. */
	snprintf(text, sizeof(text), "attachment; filename=\"%.*s\"", SG_STR_ARG(name));
	sg_http_add_header(req, "Content-Disposition", text);
	recording_answer(req, fd, &st, name, NULL);
	return true;
}

/* ---- admission ---- */

static enum play_state prepare(struct http_play *p)
{
	return p->fd >= 0 ? PLAY_READY : PLAY_GONE;
}

static void start(struct http_play *p)
{
	struct sg_http_request *req = p->req;
	struct stat st = p->st;
	int fd = p->fd;
	char sid[SG_SID_TEXT_SIZE], app[SG_APP_MAX + 1], name[SG_STREAM_MAX + 1];

	memcpy(app, p->app, sizeof(app));
	memcpy(name, p->name, sizeof(name));
	p->fd = -1;
	sg_gate_detach(p->session, sid);
	p->session = NULL;
	play_end(p, SG_BYE_CLOSED);
	/* So that this first answer is cut by a kick as the later ones are. */
	enum sg_reason verdict = media_enter(
	    req, sg_str_from(sid), sg_str_from(app), sg_str_from(name), &play_recording);
	if (verdict != SG_ADMITTED) {
		close(fd);
		sg_http_refuse_media(req, verdict);
		return;
	}
	media_add_cookie(req, sid);
	recording_answer(req, fd, &st, sg_str_from(name), sid);
	sg_wipe(sid, sizeof(sid));
}

const struct play_kind play_recording = { .protocol = "mp4", .type = "video/mp4",
	.recording = true, .prepare = prepare, .start = start };
