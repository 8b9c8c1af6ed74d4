/* metrics.c - GET /metrics: Prometheus text format 0.0.4.
 *
 * One table says what there is; a row is either a number in the snapshot or a function that writes
 * several. Labels take their values from our own lists, never from streams, tokens or addresses, so
 * that the number of series stays bounded and nothing secret is among them. */
#include "api/api_internal.h"

#define TEXT_MAX (1u << 20)
#define FANOUTS_MAX 64

/* What this room keeps for a while, and its limits. */
enum { API_TABLES = 7 };
static const struct {
	const char *label;
	size_t max;
} tables[API_TABLES] = {{"table=\"callers\"", API_RATES_MAX},
    {"table=\"login_addresses\"", API_WRONG_ADDRESSES_MAX}, {"table=\"admins\"", API_ADMINS_MAX},
    {"table=\"passwords\"", API_PASSWORDS_MAX}, {"table=\"idempotency_keys\"", API_ONCES_MAX},
    {"table=\"idempotency_ids\"", API_ONCE_IDS_MAX}, {"table=\"listeners\"", API_LISTENERS_MAX}};

/* Everything is read once, then written: a scrape is one moment. */
struct snapshot {
	struct sg_gate_stats gate;
	struct sg_http_stats http;
	struct sg_rtmp_stats rtmp;
	struct sg_srt_stats srt;
	struct sg_relay_stats relay;
	struct sg_webrtc_stats webrtc;
	struct sg_signal_stats signal;
	struct sg_recorder_stats recorder;
	struct sg_variant_stats variants;
	struct sg_fanout_stats fanout; /* all loops together */
	int64_t gather_us[FANOUTS_MAX];
	size_t fanout_count;
	size_t streams_live, streams_waiting, ring_bytes, ring_frames, hls_bytes;
	uint64_t byte_rate;
	uint64_t calls, busy, refused_keys, refused_addresses, refused_rates, failed_logins;
	size_t tables[API_TABLES];
	size_t wrong_addresses, wrong_addresses_max;
	bool ready, has_rtmp, has_srt, has_webrtc, has_signal, has_recorder;
	int64_t started_s;
};

struct family;
struct page {
	struct sg_buf out;
	const struct snapshot *s;
};
struct family {
	const char *name, *type, *help;
	enum { NUMBER_SIZE, NUMBER_U64, NUMBER_I64, NUMBER_BOOL, WRITER } kind;
	size_t offset;
	void (*write)(struct page *p, const struct family *f);
	size_t only; /* of a bool in the snapshot, without which it is left out; 0: always there */
};

/* ---- families of several lines ---- */

static void line(struct page *p, const struct family *f, const char *labels, uint64_t value)
{
	sg_buf_printf(
	    &p->out, "streamgate_%s{%s} %llu\n", f->name, labels, (unsigned long long)value);
}

static void write_build(struct page *p, const struct family *f)
{
	line(p, f, "version=\"" SG_VERSION "\"", 1);
}

static void write_admissions(struct page *p, const struct family *f)
{
	const struct sg_gate_stats *g = &p->s->gate;
	char labels[160];

	for (size_t i = 0; i < g->protocol_count; i++)
		for (int type = SG_PUBLISH; type <= SG_PLAY; type++)
			for (int r = 0; r < SG_REASON_COUNT; r++) {
				snprintf(labels, sizeof(labels),
				    "protocol=\"%s\",type=\"%s\",verdict=\"%s\",reason=\"%s\"",
				    g->protocols[i].protocol,
				    sg_token_type_name((enum sg_token_type)type),
				    r == SG_ADMITTED ? "admitted" : "refused",
				    sg_reason_name((enum sg_reason)r));
				line(p, f, labels, g->protocols[i].verdicts[type][r]);
			}
}

static void write_sessions(struct page *p, const struct family *f)
{
	const struct sg_gate_stats *g = &p->s->gate;
	char labels[100];

	for (size_t i = 0; i < g->protocol_count; i++)
		for (int type = SG_PUBLISH; type <= SG_PLAY; type++) {
			snprintf(labels, sizeof(labels), "protocol=\"%s\",type=\"%s\"",
			    g->protocols[i].protocol, sg_token_type_name((enum sg_token_type)type));
			line(p, f, labels, g->protocols[i].sessions[type]);
		}
}

static void write_ended(struct page *p, const struct family *f)
{
	char labels[64];

	for (int g = 0; g < SG_BYE_COUNT; g++) {
		snprintf(
		    labels, sizeof(labels), "reason=\"%s\"", sg_goodbye_name((enum sg_goodbye)g));
		line(p, f, labels, p->s->gate.ended[g]);
	}
}

static void write_queues(struct page *p, const struct family *f)
{
	line(p, f, "queue=\"lookup\"", p->s->gate.lookup_queue);
	line(p, f, "queue=\"commit\"", p->s->gate.commit_queue);
	line(p, f, "queue=\"audit\"", p->s->gate.audit_queue);
	line(p, f, "queue=\"query\"", p->s->gate.query_queue);
}

static void write_queues_max(struct page *p, const struct family *f)
{
	line(p, f, "queue=\"lookup\"", p->s->gate.queue_max);
	line(p, f, "queue=\"commit\"", p->s->gate.queue_max);
	line(p, f, "queue=\"audit\"", p->s->gate.audit_queue_max);
	line(p, f, "queue=\"query\"", p->s->gate.query_queue_max);
}

static void write_tables(struct page *p, const struct family *f)
{
	for (size_t i = 0; i < API_TABLES; i++)
		line(p, f, tables[i].label, p->s->tables[i]);
}

static void write_tables_max(struct page *p, const struct family *f)
{
	for (size_t i = 0; i < API_TABLES; i++)
		line(p, f, tables[i].label, tables[i].max);
}

/* The last bound is "+Inf", whose count is that of all. */
static void write_histogram(struct page *p, const struct family *f, const char *const *bounds,
    const uint64_t *counts, size_t count, double sum)
{
	for (size_t i = 0; i < count; i++)
		sg_buf_printf(&p->out, "streamgate_%s_bucket{le=\"%s\"} %llu\n", f->name, bounds[i],
		    (unsigned long long)counts[i]);
	sg_buf_printf(&p->out, "streamgate_%s_sum %.9g\nstreamgate_%s_count %llu\n", f->name, sum,
	    f->name, (unsigned long long)counts[count - 1]);
}

static void write_batches(struct page *p, const struct family *f)
{
	static const char *const bounds[8] = {"1", "4", "16", "64", "256", "1024", "4096", "+Inf"};

	write_histogram(p, f, bounds, p->s->gate.batch_le, 8, p->s->gate.batch_sum);
}

static void write_waits(struct page *p, const struct family *f)
{
	static const char *const bounds[10] = {
	    "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "1", "+Inf"};

	write_histogram(p, f, bounds, p->s->gate.wait_le, 10, p->s->gate.wait_sum_s);
}

static void write_streams(struct page *p, const struct family *f)
{
	line(p, f, "state=\"live\"", p->s->streams_live);
	line(p, f, "state=\"waiting\"", p->s->streams_waiting);
}

static void write_statuses(struct page *p, const struct family *f)
{
	char labels[16];

	for (int i = 1; i < 6; i++) {
		snprintf(labels, sizeof(labels), "code=\"%dxx\"", i);
		line(p, f, labels, p->s->http.status[i]);
	}
}

static void write_gather(struct page *p, const struct family *f)
{
	for (size_t i = 0; i < p->s->fanout_count; i++)
		sg_buf_printf(&p->out, "streamgate_%s{loop=\"%zu\"} %.6f\n", f->name, i,
		    (double)p->s->gather_us[i] / 1e6);
}

/* ---- the table ---- */

static void write_relays(struct page *p, const struct family *f)
{
	char labels[64];

	for (int push = 0; push < 2; push++)
		for (int i = 0; i < SG_RELAY_STATE_COUNT; i++) {
			snprintf(labels, sizeof(labels), "direction=\"%s\",state=\"%s\"",
			    push ? "push" : "pull", sg_relay_state_name((enum sg_relay_state)i));
			line(p, f, labels, p->s->relay.states[push][i]);
		}
}

static void write_relay_limit(struct page *p, const struct family *f)
{
	line(p, f, "direction=\"pull\"", SG_RELAYS_MAX);
	line(p, f, "direction=\"push\"", SG_RELAYS_MAX);
}

static void write_relay_bytes(struct page *p, const struct family *f)
{
	line(p, f, "direction=\"pull\"", p->s->relay.bytes[0]);
	line(p, f, "direction=\"push\"", p->s->relay.bytes[1]);
}

static void write_relay_failures(struct page *p, const struct family *f)
{
	line(p, f, "direction=\"pull\"", p->s->relay.failures[0]);
	line(p, f, "direction=\"push\"", p->s->relay.failures[1]);
}

static void write_srt_rtt(struct page *p, const struct family *f)
{
	sg_buf_printf(&p->out, "streamgate_%s %.6f\n", f->name, p->s->srt.rtt_s);
}

/* What came from publishers, what went to viewers. */
static void both_ways(struct page *p, const struct family *f, uint64_t in, uint64_t out)
{
	line(p, f, "direction=\"in\"", in);
	line(p, f, "direction=\"out\"", out);
}

static void write_srt_lost(struct page *p, const struct family *f)
{
	both_ways(p, f, p->s->srt.lost_in, p->s->srt.lost_out);
}

static void write_srt_retransmitted(struct page *p, const struct family *f)
{
	both_ways(p, f, p->s->srt.retransmitted_in, p->s->srt.retransmitted_out);
}

static void write_srt_dropped(struct page *p, const struct family *f)
{
	both_ways(p, f, p->s->srt.dropped_in, p->s->srt.dropped_out);
}

static void write_transcoders(struct page *p, const struct family *f)
{
	line(p, f, "media=\"audio\"", p->s->variants.sound_running);
	line(p, f, "media=\"video\"", p->s->variants.pictures_running);
}

#define AT(member) offsetof(struct snapshot, member)
#define NUMBER(name, type, kind, member, help)                                                     \
	{                                                                                          \
		name, type, help, kind, AT(member), NULL, 0                                        \
	}
#define RTMP(name, type, kind, member, help)                                                       \
	{                                                                                          \
		name, type, help, kind, AT(rtmp.member), NULL, AT(has_rtmp)                        \
	}
#define SRT(name, type, kind, member, help)                                                        \
	{                                                                                          \
		name, type, help, kind, AT(srt.member), NULL, AT(has_srt)                          \
	}
#define SRT_SEVERAL(name, type, writer, help)                                                      \
	{                                                                                          \
		name, type, help, WRITER, 0, writer, AT(has_srt)                                   \
	}
#define RECORDER(name, type, kind, member, help)                                                   \
	{                                                                                          \
		name, type, help, kind, AT(recorder.member), NULL, AT(has_recorder)                \
	}
#define SIGNAL(name, type, kind, member, help)                                                     \
	{                                                                                          \
		name, type, help, kind, AT(signal.member), NULL, AT(has_signal)                    \
	}
#define WEBRTC(name, type, kind, member, help)                                                     \
	{                                                                                          \
		name, type, help, kind, AT(webrtc.member), NULL, AT(has_webrtc)                    \
	}
#define SEVERAL(name, type, writer, help)                                                          \
	{                                                                                          \
		name, type, help, WRITER, 0, writer, 0                                             \
	}

static const struct family families[] = {
    SEVERAL("build_info", "gauge", write_build, "The version that runs."),
    NUMBER("start_time_seconds", "gauge", NUMBER_I64, started_s, "When it started, Unix seconds."),
    NUMBER("ready", "gauge", NUMBER_BOOL, ready, "1 when it serves, 0 while starting or draining."),

    SEVERAL("admissions_total", "counter", write_admissions, "Verdicts of the gate."),
    SEVERAL("sessions", "gauge", write_sessions, "Publishers and viewers that are in."),
    NUMBER("sessions_active", "gauge", NUMBER_SIZE, gate.sessions, "All that are in."),
    NUMBER("sessions_max", "gauge", NUMBER_SIZE, gate.sessions_max, "Limit of sessions."),
    NUMBER("sessions_without_token", "gauge", NUMBER_SIZE, gate.tokenless,
	"Those that came in without a token, administrators apart."),
    NUMBER("sessions_without_token_max", "gauge", NUMBER_SIZE, gate.tokenless_max, "Limit of those."),
    NUMBER("sessions_detached", "gauge", NUMBER_SIZE, gate.detached,
	"Sessions over HTTP that come back request by request."),
    SEVERAL("sessions_ended_total", "counter", write_ended, "Sessions that ended, and how."),
    NUMBER("holds", "gauge", NUMBER_SIZE, gate.holds,
	"Tokens held for attempts that have no media yet."),
    SEVERAL("gate_queue_length", "gauge", write_queues, "What waits for the store: attempts, uses, audit rows, calls."),
    SEVERAL("gate_queue_max", "gauge", write_queues_max, "Limit of those queues."),
    NUMBER("commits_total", "counter", NUMBER_U64, gate.commits, "Uses of tokens written."),
    NUMBER("commit_failures_total", "counter", NUMBER_U64, gate.commit_failures,
	"Uses that the store could not write: those admissions were refused."),
    SEVERAL("commit_batch_size", "histogram", write_batches, "Uses written in one transaction."),
    SEVERAL("commit_wait_seconds", "histogram", write_waits,
	"From the wish to spend a use until it is durable."),
    NUMBER("audit_dropped_total", "counter", NUMBER_U64, gate.audit_dropped,
	"Audit rows lost because the store did not keep up."),
    NUMBER("audit_left_out_total", "counter", NUMBER_U64, gate.audit_left_out,
	"Attempts without a token that are not in the audit: too many from one address."),
    NUMBER("refusal_addresses", "gauge", NUMBER_SIZE, gate.budget_addresses,
	"Addresses remembered for their attempts."),
    NUMBER("refusal_addresses_max", "gauge", NUMBER_SIZE, gate.budget_addresses_max,
	"Limit of those."),

    SEVERAL("streams", "gauge", write_streams, "Streams, live or waiting for their publisher."),
    NUMBER("streams_bytes_per_second", "gauge", NUMBER_U64, byte_rate, "What publishers send."),
    NUMBER("stream_ring_bytes", "gauge", NUMBER_SIZE, ring_bytes, "Frames kept for viewers."),
    NUMBER("stream_ring_frames", "gauge", NUMBER_SIZE, ring_frames, "Their number."),
    NUMBER("stream_hls_bytes", "gauge", NUMBER_SIZE, hls_bytes, "HLS segments kept."),
    SEVERAL("transcoders", "gauge", write_transcoders, "Transcoders that run, by what they change."),
    NUMBER("transcoders_started_total", "counter", NUMBER_U64, variants.started, "Transcoders begun."),
    NUMBER("transcoders_refused_total", "counter", NUMBER_U64, variants.refused,
	"Wanted, but over the limit or without memory."),
    NUMBER("transcoder_frames_total", "counter", NUMBER_U64, variants.frames, "Frames taken by transcoders."),
    NUMBER("transcoder_frames_dropped_total", "counter", NUMBER_U64, variants.dropped,
	"Left out: behind, or not decodable."),

    NUMBER("http_connections", "gauge", NUMBER_SIZE, http.connections, "Open HTTP connections."),
    NUMBER("http_connections_max", "gauge", NUMBER_SIZE, http.connections_max, "Limit of those."),
    NUMBER("http_suspended", "gauge", NUMBER_SIZE, http.suspended,
	"Requests that wait for their answer."),
    NUMBER("http_streaming", "gauge", NUMBER_SIZE, http.streaming, "Endless answers under way."),
    NUMBER("http_websockets", "gauge", NUMBER_SIZE, http.websockets, "WebSocket conversations."),
    NUMBER("https_connections", "gauge", NUMBER_SIZE, http.tls, "TLS connections of the web server."),
    NUMBER("http_requests_total", "counter", NUMBER_U64, http.requests, "HTTP requests."),
    SEVERAL("http_responses_total", "counter", write_statuses, "HTTP answers by status."),
    NUMBER("http_sent_bytes_total", "counter", NUMBER_U64, http.bytes_out, "Bodies sent."),

    RTMP("rtmp_connections", "gauge", NUMBER_SIZE, connections, "Open RTMP connections."),
    RTMP("rtmp_connections_max", "gauge", NUMBER_SIZE, connections_max, "Limit of those."),
    RTMP("rtmp_publishers", "gauge", NUMBER_SIZE, publishers, "RTMP connections that publish."),
    RTMP("rtmp_players", "gauge", NUMBER_SIZE, players, "RTMP connections that play."),
    RTMP("rtmp_accepted_total", "counter", NUMBER_U64, accepted, "RTMP connections accepted."),
    RTMP("rtmp_rejected_total", "counter", NUMBER_U64, rejected,
	"RTMP connections closed at once, over the limit."),
    RTMP("rtmp_bad_input_total", "counter", NUMBER_U64, bad_input,
	"RTMP connections closed for malformed input."),
    RTMP("rtmp_received_bytes_total", "counter", NUMBER_U64, bytes_in, "RTMP bytes received."),
    RTMP("rtmp_sent_bytes_total", "counter", NUMBER_U64, bytes_out, "RTMP bytes sent."),

    RECORDER("recordings_active", "gauge", NUMBER_SIZE, active, "Streams that are being recorded."),
    RECORDER("recordings_finishing", "gauge", NUMBER_SIZE, finishing, "Recordings that wait to be finished."),
    RECORDER("recordings_total", "counter", NUMBER_U64, files, "Recordings made."),
    RECORDER("recordings_failed_total", "counter", NUMBER_U64, failed,
	"Recordings that ended because of the disk or the catalogue."),
    RECORDER("recorded_bytes_total", "counter", NUMBER_U64, bytes, "Bytes of recordings that have ended."),

    SRT("srt_connections", "gauge", NUMBER_SIZE, connections, "SRT connections, also those that shake hands."),
    SRT("srt_connections_max", "gauge", NUMBER_SIZE, connections_max, "Limit of those."),
    SRT("srt_publishers", "gauge", NUMBER_SIZE, publishers, "SRT connections that publish."),
    SRT("srt_players", "gauge", NUMBER_SIZE, players, "SRT connections that play."),
    SRT("srt_accepted_total", "counter", NUMBER_U64, accepted, "SRT connections accepted."),
    SRT("srt_rejected_total", "counter", NUMBER_U64, rejected, "SRT callers refused."),
    SRT("srt_bad_input_total", "counter", NUMBER_U64, bad_input,
	"SRT callers whose stream id made no sense, and publishers whose media did not."),
    SRT("srt_received_bytes_total", "counter", NUMBER_U64, bytes_in, "MPEG-TS from SRT publishers."),
    SRT("srt_sent_bytes_total", "counter", NUMBER_U64, bytes_out, "MPEG-TS to SRT viewers."),
    SRT_SEVERAL("srt_lost_packets_total", "counter", write_srt_lost, "Packets that had to be asked for again."),
    SRT_SEVERAL("srt_retransmitted_packets_total", "counter", write_srt_retransmitted, "Packets sent again."),
    SRT_SEVERAL("srt_dropped_packets_total", "counter", write_srt_dropped,
	"Packets that came, or would have come, too late."),
    SRT("srt_undecrypted_packets_total", "counter", NUMBER_U64, undecrypted,
	"Packets that the passphrase did not open."),
    SRT("srt_skipped_frames_total", "counter", NUMBER_U64, skipped_frames,
	"Frames left out for SRT viewers that fell behind."),
    SRT_SEVERAL("srt_round_trip_seconds", "gauge", write_srt_rtt, "The mean of those that are connected."),

    SIGNAL("signal_sockets", "gauge", NUMBER_SIZE, sockets, "Ant Media's clients on WebSockets."),
    SIGNAL("signal_streams", "gauge", NUMBER_SIZE, streams, "Streams that they publish or play."),
    SIGNAL("signal_resources", "gauge", NUMBER_SIZE, resources, "WHIP and WHEP sessions."),
    SIGNAL("signal_previews", "gauge", NUMBER_SIZE, previews, "Administrators' previews."),
    SIGNAL("signal_messages_total", "counter", NUMBER_U64, messages, "Messages on those WebSockets."),
    SIGNAL("signal_over_budget_total", "counter", NUMBER_U64, over_budget,
	"WebSockets closed for too many messages."),
    WEBRTC("webrtc_peers", "gauge", NUMBER_SIZE, peers, "WebRTC peer connections, from their opening on."),
    WEBRTC("webrtc_peers_max", "gauge", NUMBER_SIZE, peers_max, "Limit of those."),
    WEBRTC("webrtc_publishers", "gauge", NUMBER_SIZE, publishers, "WebRTC peers that publish."),
    WEBRTC("webrtc_viewers", "gauge", NUMBER_SIZE, viewers, "WebRTC peers that play."),
    WEBRTC("webrtc_opened_total", "counter", NUMBER_U64, opened, "WebRTC peer connections opened."),
    WEBRTC("webrtc_stun_rejected_total", "counter", NUMBER_U64, stun_bad,
	"STUN messages without a right name or integrity."),
    WEBRTC("webrtc_failed_connections_total", "counter", NUMBER_U64, dtls_failed,
	"Peers whose ICE or DTLS failed."),
    WEBRTC("webrtc_srtp_rejected_total", "counter", NUMBER_U64, srtp_bad,
	"Media packets forged, repeated or too old."),
    WEBRTC("webrtc_bad_input_total", "counter", NUMBER_U64, bad_input,
	"Peers ended for malformed input."),
    WEBRTC("webrtc_refused_reordered_total", "counter", NUMBER_U64, b_frames,
	"Viewers refused or ended because browsers play no H.264 with B-frames."),
    WEBRTC("webrtc_received_packets_total", "counter", NUMBER_U64, packets_in, "Datagrams of peers."),
    WEBRTC("webrtc_received_bytes_total", "counter", NUMBER_U64, bytes_in, "Their bytes."),
    WEBRTC("webrtc_sent_packets_total", "counter", NUMBER_U64, packets_out, "Datagrams sent."),
    WEBRTC("webrtc_sent_bytes_total", "counter", NUMBER_U64, bytes_out, "Their bytes."),
    WEBRTC("webrtc_retransmitted_packets_total", "counter", NUMBER_U64, retransmitted,
	"Packets sent to viewers again."),
    WEBRTC("webrtc_nacked_packets_total", "counter", NUMBER_U64, nacks,
	"Packets asked for again, by viewers or of publishers."),
    WEBRTC("webrtc_keyframe_requests_total", "counter", NUMBER_U64, plis,
	"Keyframes asked for, by viewers or of publishers."),
    WEBRTC("webrtc_skipped_frames_total", "counter", NUMBER_U64, skipped,
	"Pictures left out for viewers whose line is too thin."),
    WEBRTC("webrtc_dropped_total", "counter", NUMBER_U64, dropped,
	"Datagrams between event loops and TCP connections thrown away, over their limits."),

    SEVERAL("relays", "gauge", write_relays, "Lines to servers elsewhere, by what they are doing."),
    SEVERAL("relays_max", "gauge", write_relay_limit, "Limit of those."),
    SEVERAL("relay_bytes_total", "counter", write_relay_bytes, "Media they carried."),
    SEVERAL("relay_failures_total", "counter", write_relay_failures, "Attempts that failed or broke off."),
    NUMBER("relay_skipped_frames_total", "counter", NUMBER_U64, relay.skipped_frames,
	"Frames left out for servers elsewhere that take less than comes."),

    NUMBER("fanout_followers", "gauge", NUMBER_SIZE, fanout.followers,
	"Sockets that a stream is written to."),
    NUMBER("fanout_writes_total", "counter", NUMBER_U64, fanout.writes, "Writes to them."),
    NUMBER("fanout_sent_bytes_total", "counter", NUMBER_U64, fanout.bytes, "Bytes written."),
    NUMBER("fanout_skipped_frames_total", "counter", NUMBER_U64, fanout.skipped,
	"Frames left out for viewers that fell behind."),
    SEVERAL("fanout_gather_seconds", "gauge", write_gather,
	"How long writes are gathered now, by event loop."),

    NUMBER("api_calls_total", "counter", NUMBER_U64, calls, "Calls below /api."),
    NUMBER("api_busy_total", "counter", NUMBER_U64, busy, "Calls turned away: too many at a time."),
    NUMBER("api_refused_keys_total", "counter", NUMBER_U64, refused_keys, "Wrong API keys."),
    NUMBER("api_refused_addresses_total", "counter", NUMBER_U64, refused_addresses,
	"Requests from addresses that are not in [admin] allow."),
    NUMBER("api_wrong_key_addresses", "gauge", NUMBER_SIZE, wrong_addresses,
	"Addresses remembered for their wrong keys."),
    NUMBER("api_wrong_key_addresses_max", "gauge", NUMBER_SIZE, wrong_addresses_max,
	"Limit of those."),
    NUMBER("api_refused_rates_total", "counter", NUMBER_U64, refused_rates,
	"Calls refused because their caller made too many."),
    NUMBER("api_failed_logins_total", "counter", NUMBER_U64, failed_logins,
	"Wrong passwords and set-up codes."),
    SEVERAL("api_table_entries", "gauge", write_tables,
	"What the REST interface keeps for a while."),
    SEVERAL("api_table_entries_max", "gauge", write_tables_max, "Limit of those."),
};

/* ---- gathering ---- */

static void add_stream(void *user, struct sg_stream *stream)
{
	struct snapshot *s = user;
	struct sg_stream_info i;

	sg_stream_info(stream, &i);
	if (i.live)
		s->streams_live++;
	else
		s->streams_waiting++;
	s->byte_rate += i.bit_rate / 8;
	s->ring_bytes += i.ring_bytes;
	s->ring_frames += i.ring_frames;
	s->hls_bytes += i.hls_bytes;
}

static void add_fanouts(struct snapshot *s, const struct sg_api_config *cfg)
{
	struct sg_fanout_stats one;

	for (size_t i = 0; i < cfg->fanout_count; i++) {
		sg_fanout_stats(cfg->fanouts[i], &one);
		s->fanout.followers += one.followers;
		s->fanout.writes += one.writes;
		s->fanout.bytes += one.bytes;
		s->fanout.skipped += one.skipped;
		if (i < FANOUTS_MAX) {
			s->gather_us[i] = one.gather_us;
			s->fanout_count = i + 1;
		}
	}
}

static void look(struct sg_api *api, struct snapshot *s)
{
	*s = (struct snapshot){.ready = atomic_load(&api->ready),
	    .started_s = api->started_s,
	    .calls = atomic_load(&api->calls),
	    .busy = atomic_load(&api->busy),
	    .refused_keys = atomic_load(&api->refused_keys),
	    .refused_addresses = atomic_load(&api->refused_addresses),
	    .refused_rates = atomic_load(&api->refused_rates),
	    .failed_logins = atomic_load(&api->failed_logins),
	    .wrong_addresses = api_wrong_keys_count(&api->wrong_keys),
	    .wrong_addresses_max = API_WRONG_ADDRESSES_MAX,
	    .has_rtmp = api->cfg.rtmp != NULL,
	    .has_srt = api->cfg.srt != NULL,
	    .has_recorder = api->cfg.recorder != NULL,
	    .has_webrtc = api->cfg.webrtc != NULL, .has_signal = api->cfg.signal != NULL};
	s->tables[0] = api_rates_count(&api->rates);
	s->tables[1] = api_costs_count(&api->costs);
	s->tables[2] = api_admins_count(&api->admins);
	s->tables[3] = api_worker_count(&api->passwords);
	s->tables[4] = api_onces_count(api->onces, &s->tables[5]);
	s->tables[6] = api_events_count(api->events);
	sg_gate_get_stats(api->cfg.gate, &s->gate);
	sg_http_server_stats(api->cfg.http, &s->http);
	if (s->has_rtmp)
		sg_rtmp_server_stats(api->cfg.rtmp, &s->rtmp);
	if (s->has_recorder)
		sg_recorder_stats(api->cfg.recorder, &s->recorder);
	if (s->has_srt)
		sg_srt_server_stats(api->cfg.srt, &s->srt);
	if (s->has_webrtc)
		sg_webrtc_server_stats(api->cfg.webrtc, &s->webrtc);
	if (s->has_signal)
		sg_signal_get_stats(api->cfg.signal, &s->signal);
	if (api->cfg.relay)
		sg_relay_stats(api->cfg.relay, &s->relay);
	sg_hub_each(api->cfg.hub, add_stream, s);
	sg_hub_variant_stats(api->cfg.hub, &s->variants);
	add_fanouts(s, &api->cfg);
}

/* ---- writing ---- */

static void write_number(struct page *p, const struct family *f)
{
	const void *at = (const char *)p->s + f->offset;
	long long value = f->kind == NUMBER_SIZE  ? (long long)*(const size_t *)at
			  : f->kind == NUMBER_U64 ? (long long)*(const uint64_t *)at
			  : f->kind == NUMBER_I64 ? (long long)*(const int64_t *)at
						  : (long long)*(const bool *)at;

	sg_buf_printf(&p->out, "streamgate_%s %lld\n", f->name, value);
}

void api_metrics(struct sg_http_request *req, void *user)
{
	struct sg_api *api = user;

	if (!api_check_address(api, req))
		return;
	struct snapshot *s = malloc(sizeof(*s));
	if (!s) {
		api_problem(req, 500, "out of memory");
		return;
	}
	look(api, s);
	struct page p = {.s = s};
	sg_buf_init(&p.out, TEXT_MAX);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct family *f = &families[i];
		if (f->only && !*(const bool *)((const char *)s + f->only))
			continue;
		sg_buf_printf(&p.out, "# HELP streamgate_%s %s\n# TYPE streamgate_%s %s\n", f->name,
		    f->help, f->name, f->type);
		if (f->kind == WRITER)
			f->write(&p, f);
		else
			write_number(&p, f);
	}
	sg_http_add_header(req, "Cache-Control", "no-store");
	if (p.out.failed)
		api_problem(req, 500, "out of memory");
	else
		sg_http_respond(req, 200, "text/plain; version=0.0.4; charset=utf-8",
		    (struct sg_str){(char *)p.out.p, p.out.len});
	sg_buf_reset(&p.out);
	free(s);
}
