/* compat_broadcasts.c - what there is: broadcasts that were created, and live streams; how answers
 * show them. */
#include "api/compat_internal.h"
#include "api/urls.h"

#define STREAM_URL_MAX 2048

/* ---- gathered ---- */

static struct compat_broadcast *add(struct compat_broadcasts *b)
{
	if (b->count == b->cap && !b->failed) {
		size_t cap = b->cap ? b->cap * 2 : 64;
		struct compat_broadcast *more = realloc(b->items, cap * sizeof(*more));
		b->failed = !more;
		if (more) {
			b->items = more;
			b->cap = cap;
		}
	}
	if (b->failed)
		return NULL;
	b->items[b->count] = (struct compat_broadcast){0};
	return &b->items[b->count++];
}

static void add_kept(void *user, const struct compat_kept *k)
{
	struct compat_broadcasts *b = user;
	struct compat_broadcast *one;

	if ((!b->only.p || sg_str_is(b->only, k->stream)) && (one = add(b))) {
		one->kept = *k;
		one->is_kept = true;
	}
}

static void add_live(void *user, struct sg_stream *s)
{
	struct compat_broadcasts *b = user;
	struct compat_broadcast *one;

	if (!sg_str_is(b->app, sg_stream_app(s)) ||
	    (b->only.p && !sg_str_is(b->only, sg_stream_id(s))) || !(one = add(b)))
		return;
	snprintf(one->kept.stream, sizeof(one->kept.stream), "%s", sg_stream_id(s));
	one->stream = sg_stream_ref(s);
}

static int by_stream(const void *a, const void *b)
{
	const struct compat_broadcast *x = a, *y = b;
	int order = strcmp(x->kept.stream, y->kept.stream);

	return order ? order : y->is_kept - x->is_kept;
}

/* One that was created and is live has come twice, the creation first. */
static void merge(struct compat_broadcasts *b)
{
	size_t to = 0;

	if (b->count)
		qsort(b->items, b->count, sizeof(*b->items), by_stream);
	for (size_t i = 1; i < b->count; i++) {
		if (strcmp(b->items[to].kept.stream, b->items[i].kept.stream))
			b->items[++to] = b->items[i];
		else
			b->items[to].stream = b->items[i].stream;
	}
	if (b->count)
		b->count = to + 1;
}

static bool is_there(const struct compat_broadcast *b)
{
	return b->is_kept || (b->stream && sg_stream_is_live(b->stream));
}

/* One that nobody created is gone with its publisher, though the hub keeps its place for a while. */
static void drop_left(struct compat_broadcasts *b)
{
	size_t to = 0;

	for (size_t i = 0; i < b->count; i++) {
		if (is_there(&b->items[i]))
			b->items[to++] = b->items[i];
		else
			sg_stream_unref(b->items[i].stream);
	}
	b->count = to;
}

enum sg_result compat_broadcasts_gather(
    struct api_call *c, struct sg_str only, struct compat_broadcasts *out)
{
	*out = (struct compat_broadcasts){.app = compat_of(c)->app, .only = only};
	enum sg_result res = compat_kept_each(c->store, out->app, add_kept, out, &out->kept_total);

	if (res != SG_OK)
		return res;
	sg_hub_each(c->api->cfg.hub, add_live, out);
	merge(out);
	drop_left(out);
	return out->failed ? SG_ERR_NO_MEMORY : SG_OK;
}

void compat_broadcasts_drop(struct compat_broadcasts *b)
{
	for (size_t i = 0; i < b->count; i++)
		sg_stream_unref(b->items[i].stream);
	free(b->items);
}

/* ---- who watches and who publishes ---- */

struct audience {
	struct sg_str app;
	json_t *places; /* stream id -> index */
	struct seat {
		struct compat_viewers viewers;
		char publisher[SG_ADDR_TEXT_SIZE], user_agent[128];
	} * seats;
};

static void count_viewer(struct compat_viewers *v, const char *protocol)
{
	const struct {
		const char *protocol;
		json_int_t *count;
	} all[] = {{"hls", &v->hls}, {"dash", &v->dash}, {"rtmp", &v->rtmp}, {"webrtc", &v->webrtc},
	    {"whep", &v->webrtc}, {"flv", &v->flv}, {"ts", &v->ts}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i].protocol, protocol))
			++*all[i].count;
}

static bool seat_session(void *user, const struct sg_session_info *s)
{
	struct audience *a = user;
	const json_t *place =
	    sg_str_is(a->app, s->app) ? json_object_get(a->places, s->stream) : NULL;

	if (!place || strcmp(s->state, "active"))
		return true;
	struct seat *seat = &a->seats[json_integer_value(place)];
	if (s->type == SG_PLAY) {
		count_viewer(&seat->viewers, s->protocol);
	} else {
		sg_addr_format(seat->publisher, &s->peer);
		snprintf(seat->user_agent, sizeof(seat->user_agent), "%s", s->user_agent);
	}
	return true;
}

bool compat_viewers_of(struct api_call *c, struct sg_str stream, struct compat_viewers *out)
{
	struct seat seat = {0};
	struct audience a = {compat_of(c)->app, json_object(), &seat};
	bool done = a.places &&
		    !json_object_setn_new(a.places, stream.p, stream.len, json_integer(0)) &&
		    api_each_session(c->api->cfg.gate, 0, seat_session, &a);

	json_decref(a.places);
	*out = seat.viewers;
	return done;
}

/* ---- shown ---- */

/* All fields that scripts ask for, as they are when nothing is known. */
static const char blank[] =
    "{\"streamId\":null,\"status\":\"created\",\"type\":\"liveStream\",\"publishType\":null,"
    "\"name\":null,\"description\":null,\"publish\":true,\"date\":0,\"plannedStartDate\":0,"
    "\"plannedEndDate\":0,\"duration\":0,\"publicStream\":true,\"is360\":false,"
    "\"listenerHookURL\":null,\"category\":null,\"username\":null,\"password\":null,"
    "\"quality\":null,\"speed\":0.0,\"streamUrl\":null,\"originAdress\":null,\"mp4Enabled\":0,"
    "\"webMEnabled\":0,\"expireDurationMS\":0,\"rtmpURL\":null,\"zombi\":false,"
    "\"hlsViewerCount\":0,\"dashViewerCount\":0,\"webRTCViewerCount\":0,\"rtmpViewerCount\":0,"
    "\"startTime\":0,\"receivedBytes\":0,\"bitrate\":0,\"width\":0,\"height\":0,"
    "\"userAgent\":null,\"remoteIp\":null,\"mainTrackStreamId\":null,\"webRTCViewerLimit\":-1,"
    "\"hlsViewerLimit\":-1,\"dashViewerLimit\":-1,\"subFolder\":null,\"metaData\":null,"
    "\"updateTime\":0,\"role\":null}";

static const char *publish_type(const char *protocol)
{
	if (!strcmp(protocol, "rtmp"))
		return "RTMP";
	return strcmp(protocol, "srt") ? "WebRTC" : "SRT";
}

static void put_live(json_t *o, struct sg_stream *s)
{
	struct sg_stream_info i;

	sg_stream_info(s, &i);
	json_object_set_new(o, "status", json_string(i.live ? "broadcasting" : "preparing"));
	json_object_set_new(o, "publishType", json_string(publish_type(i.protocol)));
	json_object_set_new(o, "startTime", json_integer(i.started_ms));
	json_object_set_new(o, "duration", json_integer(sg_wall_ms() - i.started_ms));
	json_object_set_new(o, "receivedBytes", json_integer((json_int_t)i.bytes_in));
	json_object_set_new(o, "bitrate", json_integer((json_int_t)i.bit_rate));
	json_object_set_new(o, "width", json_integer(i.width));
	json_object_set_new(o, "height", json_integer(i.height));
	json_object_set_new(o, "speed", json_real(i.live ? 1.0 : 0.0));
	json_object_set_new(o, "updateTime", json_integer(sg_wall_ms()));
	if (!json_integer_value(json_object_get(o, "date")))
		json_object_set_new(o, "date", json_integer(i.started_ms));
}

static void put_seat(json_t *o, const struct seat *seat)
{
	json_object_set_new(o, "hlsViewerCount", json_integer(seat->viewers.hls));
	json_object_set_new(o, "dashViewerCount", json_integer(seat->viewers.dash));
	json_object_set_new(o, "webRTCViewerCount", json_integer(seat->viewers.webrtc));
	json_object_set_new(o, "rtmpViewerCount", json_integer(seat->viewers.rtmp));
	json_object_set_new(o, "flvViewerCount", json_integer(seat->viewers.flv));
	json_object_set_new(o, "tsViewerCount", json_integer(seat->viewers.ts));
	if (*seat->publisher)
		json_object_set_new(o, "remoteIp", json_string(seat->publisher));
	if (*seat->user_agent)
		json_object_set_new(o, "userAgent", api_json_text(seat->user_agent));
}

/* It ended a moment ago, and may still be drained? */
static bool has_just_ended(struct api_call *c, const char *stream)
{
	struct sg_stream *s =
	    sg_hub_find_ended(c->api->cfg.hub, compat_of(c)->app, sg_str_from(stream));

	sg_stream_unref(s);
	return s != NULL;
}

static json_t *show(struct api_call *c, const struct compat_broadcast *b, const struct seat *seat,
    const char *rtmp_base)
{
	json_t *o = json_loads(blank, 0, NULL);
	char url[STREAM_URL_MAX + SG_STREAM_MAX + 1];

	json_object_set_new(o, "streamId", json_string(b->kept.stream));
	json_object_set_new(o, "zombi", json_boolean(!b->is_kept));
	if (b->is_kept)
		json_object_set_new(o, "date", json_integer(b->kept.created_ms));
	if (b->kept.has_name)
		json_object_set_new(o, "name", api_json_text(b->kept.name));
	if (*rtmp_base) {
		snprintf(url, sizeof(url), "%s%s", rtmp_base, b->kept.stream);
		json_object_set_new(o, "rtmpURL", json_string(url));
	}
	if (b->stream)
		put_live(o, b->stream);
	else if (has_just_ended(c, b->kept.stream))
		json_object_set_new(o, "status", json_string("finished"));
	put_seat(o, seat);
	return o;
}

/* "rtmp://host/APP/", or "" where RTMP is off. */
static void rtmp_base(struct api_call *c, char out[STREAM_URL_MAX])
{
	const struct sg_api_config *cfg = &c->api->cfg;
	struct sg_token t = {.type = SG_PUBLISH, .stream = "S"};
	struct sg_str base, query;

	sg_str_copy(t.app, sizeof(t.app), compat_of(c)->app);
	json_t *urls = api_urls(cfg->cfg, sg_http_public_url(cfg->http), api_served(cfg), &t, "");
	sg_str_cut(api_string(urls, "rtmp"), '?', &base, &query);
	*out = '\0';
	if (base.len)
		sg_str_copy(out, STREAM_URL_MAX, (struct sg_str){base.p, base.len - 1});
	json_decref(urls);
}

json_t *compat_broadcasts_show(
    struct api_call *c, const struct compat_broadcast *const *items, size_t count)
{
	struct audience a = {compat_of(c)->app, json_object(), calloc(count + 1, sizeof(*a.seats))};
	json_t *list = json_array();
	char base[STREAM_URL_MAX];
	bool good = list && a.places && a.seats;

	rtmp_base(c, base);
	for (size_t i = 0; i < count && good; i++)
		good = !json_object_set_new(
		    a.places, items[i]->kept.stream, json_integer((json_int_t)i));
	if (good && count)
		good = api_each_session(c->api->cfg.gate, 0, seat_session, &a);
	for (size_t i = 0; i < count && good; i++)
		good = !json_array_append_new(list, show(c, items[i], &a.seats[i], base));
	free(a.seats);
	json_decref(a.places);
	if (!good) {
		json_decref(list);
		return NULL;
	}
	return list;
}
