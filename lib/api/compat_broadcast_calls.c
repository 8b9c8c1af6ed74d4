/* compat_broadcast_calls.c - the calls about broadcasts: create, get, list, count, change, delete,
 * stop, statistics. */
#include "api/compat_internal.h"
#include <ctype.h>

/* False: answered. Given back with compat_broadcasts_drop in any case. */
static bool gather(struct api_call *c, struct sg_str only, struct compat_broadcasts *out)
{
	enum sg_result res = compat_broadcasts_gather(c, only, out);

	if (res == SG_ERR_NO_MEMORY)
		compat_result(c, 500, false, "out of memory", NULL);
	else if (res != SG_OK)
		compat_store_failed(c, "reading broadcasts");
	return res == SG_OK;
}

/* ---- create ---- */

static struct sg_str trimmed(struct sg_str s)
{
	while (s.len && isspace((unsigned char)*s.p))
		s.p++, s.len--;
	while (s.len && isspace((unsigned char)s.p[s.len - 1]))
		s.len--;
	return s;
}

/* Cut where a character begins. */
static void take_name(struct compat_kept *k, struct sg_str name)
{
	size_t len = name.len < COMPAT_NAME_MAX ? name.len : COMPAT_NAME_MAX;

	while (len < name.len && len && ((unsigned char)name.p[len] & 0xc0) == 0x80)
		len--;
	k->has_name = name.p != NULL;
	sg_str_copy(k->name, sizeof(k->name), (struct sg_str){name.p ? name.p : "", len});
}

static void make_id(char out[SG_STREAM_MAX + 1])
{
	uint8_t random[12];

	sg_random(random, sizeof(random));
	sg_hex_encode(out, random, sizeof(random));
}

/* The wish in `body`; false: answered. Version 1 makes the id in any case. */
static bool take_wish(struct api_call *c, const json_t *body, struct compat_kept *k)
{
	struct sg_str id = trimmed(api_string(body, "streamId"));

	*k = (struct compat_kept){.created_ms = sg_wall_ms()};
	take_name(k, api_string(body, "name"));
	if (compat_is_v1(c) || !id.len) {
		make_id(k->stream);
		return true;
	}
	return compat_is_stream(c, id) && sg_str_copy(k->stream, sizeof(k->stream), id);
}

static void create(
    struct api_call *c, const struct compat_kept *k, const struct compat_broadcasts *b)
{
	const struct compat_broadcast fresh = {.kept = *k, .is_kept = true}, *one = &fresh;

	if (b->count) {
		compat_result(c, 400, false, "stream id is already being used", NULL);
	} else if (b->kept_total >= COMPAT_KEPT_MAX) {
		compat_result(c, 400, false, "there are 10,000 broadcasts: delete some", NULL);
	} else if (compat_kept_set(c, compat_of(c)->app, k) != SG_OK) {
		compat_store_failed(c, "making a broadcast");
	} else {
		json_t *list = compat_broadcasts_show(c, &one, 1);
		api_answer(c, 200, json_incref(json_array_get(list, 0)));
		json_decref(list);
	}
}

void compat_broadcast_create(struct api_call *c)
{
	json_t *body = compat_body(c);
	struct compat_broadcasts b;
	struct compat_kept k;

	if (!body)
		return;
	if (take_wish(c, body, &k)) {
		if (gather(c, sg_str_from(k.stream), &b))
			create(c, &k, &b);
		compat_broadcasts_drop(&b);
	}
	json_decref(body);
}

/* ---- one ---- */

static struct sg_str wanted(struct api_call *c)
{
	return compat_is_v1(c) && !compat_of(c)->parts[0].p ? api_query(c, "id")
							    : compat_of(c)->parts[0];
}

/* Version 1 answers an object of nulls for what is not there, version 2 nothing. */
static void answer_none(struct api_call *c)
{
	struct compat_broadcast none = {0};
	const struct compat_broadcast *one = &none;
	const char *key;
	json_t *list, *value;

	if (!compat_is_v1(c)) {
		compat_nothing(c, 404);
		return;
	}
	list = compat_broadcasts_show(c, &one, 1);
	json_object_foreach(json_array_get(list, 0), key, value)
	    json_object_set_new(json_array_get(list, 0), key, json_null());
	api_answer(c, 200, json_incref(json_array_get(list, 0)));
	json_decref(list);
}

void compat_broadcast_show(struct api_call *c)
{
	struct sg_str stream = wanted(c);
	struct compat_broadcasts b = {0};

	if (!sg_stream_is_valid(stream)) {
		answer_none(c);
	} else if (gather(c, stream, &b)) {
		const struct compat_broadcast *one = b.items;
		if (b.count) {
			json_t *list = compat_broadcasts_show(c, &one, 1);
			api_answer(c, 200, json_incref(json_array_get(list, 0)));
			json_decref(list);
		} else {
			answer_none(c);
		}
	}
	compat_broadcasts_drop(&b);
}

static bool keep_name(struct api_call *c, const struct compat_broadcasts *b, const json_t *body)
{
	struct compat_kept k = b->items[0].kept;
	struct sg_str name = api_string(body, "name");

	if (!name.p)
		return true;
	if (!b->items[0].is_kept) {
		if (b->kept_total >= COMPAT_KEPT_MAX) {
			compat_result(
			    c, 200, false, "there are 10,000 broadcasts: delete some", NULL);
			return false;
		}
		k.created_ms = sg_wall_ms();
	}
	take_name(&k, name);
	if (compat_kept_set(c, b->app, &k) == SG_OK)
		return true;
	compat_store_failed(c, "changing a broadcast");
	return false;
}

void compat_broadcast_change(struct api_call *c)
{
	json_t *body = compat_body(c);
	struct compat_broadcasts b = {0};
	struct sg_str stream = wanted(c);

	if (!body)
		return;
	if (!sg_stream_is_valid(stream)) {
		compat_result(c, 200, false, "there is no such broadcast", NULL);
	} else if (gather(c, stream, &b)) {
		if (!b.count)
			compat_result(c, 200, false, "there is no such broadcast", NULL);
		else if (keep_name(c, &b, body))
			compat_result(c, 200, true, NULL, NULL);
	}
	compat_broadcasts_drop(&b);
	json_decref(body);
}

/* ---- many ---- */

static bool contains(const char *text, struct sg_str part)
{
	char z[SG_STREAM_MAX + 1];

	return sg_str_copy(z, sizeof(z), part) && strcasestr(text, z);
}

static bool fits(const struct compat_broadcast *b, struct sg_str search)
{
	return !search.len || contains(b->kept.stream, search) || contains(b->kept.name, search);
}

static bool is_live(const struct compat_broadcast *b)
{
	return b->stream && sg_stream_is_live(b->stream);
}

/* What stands first when sorted, as text: ids are in order already. */
struct sorted {
	const struct compat_broadcast *b;
	const char *text;
	int64_t number;
};

static int by_key(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	int order = (x->number > y->number) - (x->number < y->number);

	if (!order)
		order = strcmp(x->text, y->text);
	return order ? order : strcmp(x->b->kept.stream, y->b->kept.stream);
}

static int64_t date_of(const struct compat_broadcast *b)
{
	struct sg_stream_info i;

	if (b->is_kept || !b->stream)
		return b->kept.created_ms;
	sg_stream_info(b->stream, &i);
	return i.started_ms;
}

/* Those that the query asks for, in its order; NULL: no memory. */
static const struct compat_broadcast **choose(
    struct api_call *c, const struct compat_broadcasts *b, size_t *count)
{
	struct sg_str search = api_query(c, "search"), by = api_query(c, "sort_by");
	struct sg_str type = api_query(c, "type_by");
	bool down = sg_str_is(api_query(c, "order_by"), "desc");
	struct sorted *s = calloc(b->count + 1, sizeof(*s));
	const struct compat_broadcast **out =
	    calloc(b->count + 1, sizeof(const struct compat_broadcast *));

	*count = 0;
	for (size_t i = 0; s && out && i < b->count; i++) {
		const struct compat_broadcast *one = &b->items[i];
		if (!fits(one, search) || (type.p && !sg_str_is(type, "liveStream")))
			continue;
		s[(*count)++] = (struct sorted){one, sg_str_is(by, "name") ? one->kept.name : "",
		    sg_str_is(by, "date")     ? date_of(one)
		    : sg_str_is(by, "status") ? !is_live(one)
					      : 0};
	}
	if (*count)
		qsort(s, *count, sizeof(*s), by_key);
	for (size_t i = 0; i < *count; i++)
		out[i] = s[down ? *count - 1 - i : i].b;
	if (!s) {
		free(out);
		out = NULL;
	}
	free(s);
	return out;
}

void compat_broadcast_list(struct api_call *c)
{
	struct compat_broadcasts b;
	size_t offset, size, count;

	if (!compat_page(c, 0, &offset, &size))
		return;
	if (gather(c, (struct sg_str){0}, &b)) {
		const struct compat_broadcast **chosen = choose(c, &b, &count);
		if (offset > count)
			offset = count;
		if (size > count - offset)
			size = count - offset;
		api_answer(
		    c, 200, chosen ? compat_broadcasts_show(c, chosen + offset, size) : NULL);
		free(chosen);
	}
	compat_broadcasts_drop(&b);
}

void compat_broadcast_count(struct api_call *c)
{
	struct sg_str search = compat_of(c)->parts[0];
	struct compat_broadcasts b;
	json_int_t count = 0;

	if (gather(c, (struct sg_str){0}, &b)) {
		for (size_t i = 0; i < b.count; i++)
			count += fits(&b.items[i], search);
		if (compat_is_v1(c)) {
			char text[24];
			snprintf(text, sizeof(text), "%lld", (long long)count);
			sg_http_add_header(c->req, "Cache-Control", "no-store");
			sg_http_respond(c->req, 200, "application/json", sg_str_from(text));
		} else {
			api_answer(c, 200, json_pack("{sI}", "number", count));
		}
	}
	compat_broadcasts_drop(&b);
}

void compat_broadcast_count_live(struct api_call *c)
{
	struct compat_broadcasts b;
	json_int_t count = 0;

	if (gather(c, (struct sg_str){0}, &b)) {
		for (size_t i = 0; i < b.count; i++)
			count += is_live(&b.items[i]);
		api_answer(c, 200, json_pack("{sI}", "number", count));
	}
	compat_broadcasts_drop(&b);
}

/* ---- stop and delete ---- */

/* Its publisher is shown out; how many there were. */
static size_t stop(struct api_call *c, struct sg_str stream)
{
	struct sg_end_filter f = {.app = compat_of(c)->app, .stream = stream, .type = SG_PUBLISH};
	struct sg_audit row;
	size_t ended = sg_gate_end_sessions(c->api->cfg.gate, &f, SG_BYE_KICKED);

	if (!ended)
		return 0;
	compat_audit_row(c, &row, "kicked", stream, SG_PUBLISH, "stream stopped");
	sg_gate_audit(c->api->cfg.gate, &row);
	return ended;
}

void compat_broadcast_stop(struct api_call *c)
{
	struct sg_str stream = wanted(c);
	bool stopped = sg_stream_is_valid(stream) && stop(c, stream);

	compat_result(c, 200, stopped, stopped ? NULL : "nobody publishes this stream", NULL);
}

void compat_broadcast_start(struct api_call *c)
{
	compat_result(c, 200, false, "streams are not pulled: a publisher starts this one", NULL);
}

static const struct compat_broadcast *find(const struct compat_broadcasts *b, struct sg_str stream)
{
	for (size_t low = 0, high = b->count; low < high;) {
		size_t i = (low + high) / 2;
		const char *z = b->items[i].kept.stream;
		size_t len = strlen(z) < stream.len ? strlen(z) : stream.len;
		int order = memcmp(stream.p, z, len);
		if (!order && strlen(z) == stream.len)
			return &b->items[i];
		if (order > 0 || (!order && stream.len > len))
			low = i + 1;
		else
			high = i;
	}
	return NULL;
}

/* SG_ERR_NOT_FOUND: there is no such broadcast. */
static enum sg_result delete_one(
    struct api_call *c, const struct compat_broadcasts *b, struct sg_str stream)
{
	const struct compat_broadcast *one = find(b, stream);
	enum sg_result res = SG_OK;

	if (!one)
		return SG_ERR_NOT_FOUND;
	if (one->is_kept)
		res = compat_kept_forget(c, b->app, stream);
	if (res == SG_OK)
		stop(c, stream);
	return res;
}

static void answer_deleted(struct api_call *c, enum sg_result res)
{
	if (res == SG_OK)
		compat_result(c, 200, true, NULL, NULL);
	else if (res == SG_ERR_NOT_FOUND)
		compat_result(c, 200, false, "there is no such broadcast", NULL);
	else
		compat_store_failed(c, "deleting a broadcast");
}

void compat_broadcast_delete(struct api_call *c)
{
	struct sg_str stream = wanted(c);
	struct compat_broadcasts b = {0};

	if (!sg_stream_is_valid(stream))
		answer_deleted(c, SG_ERR_NOT_FOUND);
	else if (gather(c, stream, &b))
		answer_deleted(c, delete_one(c, &b, stream));
	compat_broadcasts_drop(&b);
}

/* DELETE /?ids=a,b: all of them; one that is not there makes the answer a no, the others are gone. */
void compat_broadcasts_delete(struct api_call *c)
{
	struct sg_str ids = api_query(c, "ids"), id;
	struct compat_broadcasts b;
	enum sg_result all = ids.len ? SG_OK : SG_ERR_NOT_FOUND;

	if (gather(c, (struct sg_str){0}, &b)) {
		while (ids.len && (all == SG_OK || all == SG_ERR_NOT_FOUND)) {
			sg_str_cut(ids, ',', &id, &ids);
			enum sg_result res = delete_one(c, &b, trimmed(id));
			if (res != SG_OK)
				all = res;
		}
		answer_deleted(c, all);
	}
	compat_broadcasts_drop(&b);
}

/* ---- statistics ---- */

void compat_broadcast_statistics(struct api_call *c)
{
	struct compat_viewers v;
	struct sg_str stream = wanted(c);

	if (!compat_viewers_of(c, stream, &v))
		compat_result(c, 500, false, "out of memory", NULL);
	else
		api_answer(c, 200,
		    json_pack("{sI sI sI sI}", "totalRTMPWatchersCount", v.rtmp,
			"totalHLSWatchersCount", v.hls, "totalWebRTCWatchersCount", v.webrtc,
			"totalDASHWatchersCount", v.dash));
}

void compat_version(struct api_call *c)
{
	api_answer(
	    c, 200, json_pack("{ss ss}", "versionName", SG_VERSION, "versionType", "Streamgate"));
}
