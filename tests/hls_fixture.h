/* hls_fixture.h - HLS's objects as a player would get them, for tests of its packager. */
#ifndef SG_TESTS_HLS_FIXTURE_H
#define SG_TESTS_HLS_FIXTURE_H

#include "package_fixture.h"
#include "media/hls.h"

/* ---- objects ---- */

static inline struct sg_hls_object *object(struct sg_stream *s, const char *name)
{
	struct sg_hls_ask ask = { .name = sg_str_from(name) };
	struct sg_hls_object *o;

	return sg_hls_get(s, &ask, &o) == SG_HLS_HERE ? o : NULL;
}

static inline bool has_object(struct sg_stream *s, const char *name)
{
	struct sg_hls_object *o = object(s, name);

	sg_hls_object_free(o);
	return o;
}

static inline void append_object(struct media *m, struct sg_stream *s, const char *name)
{
	struct sg_hls_object *o = object(s, name);

	if (!o)
		fail_msg("no %s", name);
	for (size_t i = 0; i < o->count; i++)
		sg_buf_append(&m->bytes, o->blobs[i]->p, o->blobs[i]->size);
	sg_hls_object_free(o);
}

/* One rendition's initialization segment and `count` objects from `first` on behind it, read back. */
static inline void read_track(struct media *m, struct sg_stream *s, const char *track, unsigned init,
    const char *kind, unsigned first, unsigned count)
{
	char name[32];

	*m = (struct media){ 0 };
	sg_buf_init(&m->bytes, 64u << 20);
	snprintf(name, sizeof(name), "%s-init-%u.mp4", track, init);
	append_object(m, s, name);
	for (unsigned i = first; i < first + count; i++) {
		snprintf(name, sizeof(name), "%s-%s%u.m4s", track, kind, i);
		append_object(m, s, name);
	}
	read_back(m, "mp4");
}

/* Of the main rendition, or where there are no pictures of the sound. */
static inline struct media segments_of(struct sg_stream *s, unsigned init, unsigned first, unsigned count)
{
	struct media m;
	char name[32];

	snprintf(name, sizeof(name), "main-%u.m4s", first);
	read_track(&m, s, has_object(s, name) ? "main" : "audio", init, "", first, count);
	return m;
}

/* A playlist's text; static storage, "" when there is none. */
static inline const char *text_of(struct sg_stream *s, const char *name)
{
	static char text[4][32768];
	static unsigned turn;
	char *out = text[turn++ % 4];
	struct sg_hls_object *o = object(s, name);

	snprintf(out, sizeof(text[0]), "%.*s", o ? (int)o->size : 0, o ? (const char *)o->blobs[0]->p : "");
	sg_hls_object_free(o);
	return out;
}

static inline const char *playlist(struct sg_stream *s)
{
	struct sg_hls_ask ask = { .name = SG_STR("main.m3u8") };
	struct sg_hls_object *o;

	bool has_main = sg_hls_get(s, &ask, &o) == SG_HLS_HERE;
	sg_hls_object_free(o);
	return text_of(s, has_main ? "main.m3u8" : "audio.m3u8");
}

/* A publisher of a stream that somebody wants, as ordinary HLS unless the hub says otherwise. */
static inline struct sg_publisher *publish_wanted(struct sg_hub *hub)
{
	struct sg_publisher *pub = publish(hub);

	(void)sg_hls_is_ready(sg_publisher_stream(pub));
	return pub;
}

static inline struct sg_hub *hub_plain(void)
{
	struct sg_hub *hub = hub_open();

	sg_hub_set_hls_part(hub, 0);
	return hub;
}

static inline unsigned occurrences(const char *text, const char *of)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, of)); p += strlen(of))
		n++;
	return n;
}

static inline void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

#endif
