/* intake.c - a container's packets as frames: opening, tracks, frames. */
#include "media/codec.h"
#include "media/far_tls.h"
#include "media/intake_internal.h"
#include "base/clock.h"
#include <stdlib.h>

#define PROBE_BYTES "2000000"
#define ANALYZE_US "2000000"
/* While a source goes on nobody is kept waiting for a track that is announced and does not come. */
#define ANALYZE_AGAIN_US "300000"
/* So often may libavformat be begun anew. */
#define AGAIN_MAX 32
#define AGAIN_WINDOW_MS 60000
/* Heirs that have said nothing at all for UNREAD_MAX: their parsers may be full. */
#define SILENT_HEIRS_MAX 2
/* More than that lies in a parser only where a picture does not end. */
#define USUALLY_UNSEEN (1 << 20)
/* A track is taken for gone when another of its kind has gone on for so long without it. */
#define GONE_US 1000000
/* Where libavformat begins in a playlist by itself. */
#define HLS_FROM (-3)
/* More of all tracks than a multiplexer puts between two of one. */
#define SOME_PACKETS 100
/* Packets in a row that give no frame: other tracks' are not counted. */
#define BAD_IN_A_ROW 500

/* ---- opening ---- */

static int on_interrupt(void *opaque)
{
	struct sg_intake *in = opaque;

	return in->cfg.stop(in->cfg.user);
}

static const char *why_not_opened(
    const struct sg_intake *in, int res, const AVIOInterruptCB *interrupt)
{
	if (res == AVERROR_INVALIDDATA)
		return "it is not in a container that is understood";
	if (in->cfg.url && !in->far && far_tls_is_refused(in->cfg.url, in->cfg.ca_file, interrupt))
		return FAR_TLS_REFUSED;
	switch (res) {
	case AVERROR(ECONNREFUSED):
	case AVERROR(EHOSTUNREACH):
	case AVERROR(ENETUNREACH):
	case AVERROR(ETIMEDOUT):
		return "nobody answers there";
	case AVERROR_HTTP_UNAUTHORIZED:
	case AVERROR_HTTP_FORBIDDEN:
		return "it refuses us";
	case AVERROR_HTTP_NOT_FOUND:
		return "there is no such stream";
	default: /* RTMP and SRT do not tell which */
		return in->cfg.url ? "nobody answers there, or it refuses us" : "it cannot be opened";
	}
}

static enum sg_result open_input(struct sg_intake *in, const char *analyze_us, const char **why)
{
	AVDictionary *options = NULL;
	const AVInputFormat *format;

	if (!(in->ic = avformat_alloc_context()) || !intake_source_open(in, in->ic, &format))
		return SG_ERR_NO_MEMORY;
	const AVIOInterruptCB interrupt = {on_interrupt, in};
	in->ic->interrupt_callback = interrupt;
	in->ic->max_streams = STREAMS_MAX;
	/* Else it waits for half a second more, for a frame rate that nobody asks for. */
	in->ic->fps_probe_size = 0;
	av_dict_parse_string(&options, in->cfg.options ? in->cfg.options : "", "=", ":", 0);
	av_dict_set(&options, "probesize", PROBE_BYTES, 0);
	av_dict_set(&options, "analyzeduration", analyze_us, 0);
	/* HLS opens all that it reads by itself, for intake_hls.c to see. */
	av_dict_set(&options, "http_persistent", "0", 0);
	av_dict_set(&options, "http_multiple", "0", 0);
	if (in->headers.from)
		av_dict_set_int(&options, "live_start_index", in->headers.from, 0);
	int res = avformat_open_input(&in->ic, in->cfg.url ? in->cfg.url : "", format, &options);
	av_dict_free(&options);
	in->headers.are_read = true;
	if (res >= 0)
		res = avformat_find_stream_info(in->ic, NULL);
	if (in->cfg.stop(in->cfg.user) || res == AVERROR_EXIT)
		return SG_ERR_CLOSED;
	if (res >= 0)
		return SG_OK;
	*why = why_not_opened(in, res, &interrupt);
	return res == AVERROR_EOF ? SG_ERR_CLOSED : in->cfg.url ? SG_ERR_IO : SG_ERR_BAD_INPUT;
}

/* ---- tracks ---- */

static enum sg_codec codec_of(const AVCodecParameters *par)
{
	static const enum sg_codec taken[] = {
	    SG_CODEC_H264, SG_CODEC_HEVC, SG_CODEC_AAC, SG_CODEC_OPUS, SG_CODEC_MP3};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if ((int)par->codec_id == sg_codec_av_id(taken[i]))
			return taken[i];
	return SG_CODEC_NONE;
}

static bool open_adts(struct track *t, const AVStream *st)
{
	const AVBitStreamFilter *filter = av_bsf_get_by_name("aac_adtstoasc");

	if (!filter || av_bsf_alloc(filter, &t->adts) < 0 ||
	    avcodec_parameters_copy(t->adts->par_in, st->codecpar) < 0)
		return false;
	t->adts->time_base_in = st->time_base;
	return av_bsf_init(t->adts) >= 0;
}

/* Parameter sets that stand beside the stream (RTSP's session description) may not be in it. */
static void learn_sets(struct track *t, const AVCodecParameters *par)
{
	struct sg_buf none;
	bool changed;

	sg_buf_init(&none, 65536);
	if (sg_annexb_read(
		&t->annexb, par->extradata, (size_t)par->extradata_size, &none, &changed) != SG_OK)
		sg_annexb_reset(&t->annexb);
	sg_buf_reset(&none);
}

static bool open_track(struct track *t, const AVStream *st)
{
	const AVCodecParameters *par = st->codecpar;

	t->index = st->index;
	t->heir = -1;
	t->codec = codec_of(par);
	t->time_base = st->time_base;
	t->last_dts = AV_NOPTS_VALUE;
	sg_annexb_init(&t->annexb, t->codec);
	/* Both kinds of record begin with their version, 1; a byte stream begins with zeros. */
	t->lengths = (t->codec == SG_CODEC_H264 || t->codec == SG_CODEC_HEVC) &&
		     par->extradata_size >= 7 && par->extradata[0] == 1;
	if (!t->lengths && par->extradata_size > 0 &&
	    (t->codec == SG_CODEC_H264 || t->codec == SG_CODEC_HEVC))
		learn_sets(t, par);
	return t->codec != SG_CODEC_AAC || open_adts(t, st);
}

static bool is_picture_still(const AVStream *st)
{
	return st->disposition & AV_DISPOSITION_ATTACHED_PIC;
}

static struct track *track_of(struct sg_intake *in, const AVStream *st)
{
	if (codec_of(st->codecpar) == SG_CODEC_NONE || is_picture_still(st))
		return NULL;
	return st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO	? &in->video
	       : st->codecpar->codec_type == AVMEDIA_TYPE_AUDIO ? &in->audio
								: NULL;
}

/* Of MPEG-TS, whose demuxer tells what is announced, and whose parsers gather what comes. Elsewhere, of HLS and FLV,
 * whoever speaks is the heir. */
static bool has_one_heir(const struct sg_intake *in)
{
	return in->tables;
}

static void set_heir(struct sg_intake *in, struct track *t, int index)
{
	if (t->heir >= 0 && has_one_heir(in))
		in->ic->streams[t->heir]->discard = AVDISCARD_ALL;
	t->heir = index;
	t->heir_since = AV_NOPTS_VALUE;
	in->unheard = 0;
}

static bool is_in_one_program(AVFormatContext *ic, int one, int other)
{
	const AVProgram *program = av_find_program_from_stream(ic, NULL, one);

	for (unsigned i = 0; program && i < program->nb_stream_indexes; i++)
		if ((int)program->stream_index[i] == other)
			return true;
	return false;
}

/* Of HLS those of the same playlist alone: others would be fetched for nothing. Of MPEG-TS, at the opening, the second
 * of the same program: others are other channels. */
static bool may_be_heir(const struct sg_intake *in, const struct track *t, const AVStream *st)
{
	if (has_one_heir(in))
		return in->silent_heirs < SILENT_HEIRS_MAX &&
		       (in->at_opening || (t->heir < 0 && is_in_one_program(in->ic, t->index, st->index)));
	return st->id == in->ic->streams[t->index]->id;
}

/* The first of its kind is taken, also where it turns up later; one that turns up beside it is its heir; for
 * others nothing is gathered. */
static enum sg_result meet(struct sg_intake *in, AVStream *st)
{
	struct track *t = track_of(in, st);

	if (t && t->index < 0)
		return open_track(t, st) ? SG_OK : SG_ERR_NO_MEMORY;
	if (t && may_be_heir(in, t, st))
		set_heir(in, t, st->index);
	else
		st->discard = AVDISCARD_ALL;
	return SG_OK;
}

static enum sg_result meet_new(struct sg_intake *in)
{
	enum sg_result res = SG_OK;

	while (res == SG_OK && in->known < in->ic->nb_streams)
		res = meet(in, in->ic->streams[in->known++]);
	return res;
}

static enum sg_result choose_tracks(struct sg_intake *in, const char **why)
{
	enum sg_result res = meet_new(in);

	in->at_opening = in->ic->nb_streams;
	/* Of a multiplex that has more already, the rest stays away. */
	if (in->at_opening && in->at_opening < STREAMS_MAX)
		in->ic->max_streams = (int)in->at_opening + LATER_MAX + 1;
	if (res != SG_OK || in->video.index >= 0 || in->audio.index >= 0)
		return res;
	*why = in->ic->nb_streams ? "it has no track in H.264, HEVC, AAC, Opus or MP3"
				  : "it has no tracks";
	return SG_ERR_UNSUPPORTED;
}

/* ---- tracks that change ---- */

/* `got` is libavformat's answer: it has no memory for more than it may have. */
static bool too_many_came(const struct sg_intake *in, int got)
{
	const AVFormatContext *ic = in->ic;

	return ic && (ic->nb_streams > in->at_opening + LATER_MAX ||
			 (got == AVERROR(ENOMEM) && ic->nb_streams >= (unsigned)ic->max_streams));
}

static void close_track(struct track *t)
{
	sg_annexb_reset(&t->annexb);
	av_bsf_free(&t->adts);
}

static enum sg_result replace_track(struct sg_intake *in, struct track *t, AVStream *st)
{
	if (t->heir == st->index)
		t->heir = -1;
	set_heir(in, t, -1);
	if (has_one_heir(in))
		in->ic->streams[t->index]->discard = AVDISCARD_ALL;
	if (in->unseen > USUALLY_UNSEEN)
		avformat_flush(in->ic);
	close_track(t);
	*t = (struct track){.needs_key = t == &in->video};
	st->discard = AVDISCARD_DEFAULT;
	return open_track(t, st) ? SG_OK : SG_ERR_NO_MEMORY;
}

/* MPEG-TS: a new PAT or PMT may have left it out. */
static bool is_announced(const AVFormatContext *ic, int index)
{
	return !ic->nb_programs || av_find_program_from_stream((AVFormatContext *)ic, NULL, index);
}

static enum sg_result follow_program(struct sg_intake *in, struct track *t)
{
	if (t->index < 0 || is_announced(in->ic, t->index))
		return SG_OK;
	for (unsigned i = 0; i < in->known; i++) {
		AVStream *st = in->ic->streams[i];
		if (track_of(in, st) == t && is_announced(in->ic, st->index))
			return replace_track(in, t, st);
	}
	return SG_OK;
}

/* Where nothing is announced: who speaks that was not heard for a while, as when a source goes from programme to
 * advertisements and back. One that is heard all along waits until ours is silent. */
static bool begins_to_speak(struct sg_intake *in, struct track *t, const AVPacket *pkt)
{
	AVStream *st = in->ic->streams[pkt->stream_index];
	bool is_other = st->index != t->index && st->discard < AVDISCARD_ALL && track_of(in, st) == t;

	if (has_one_heir(in) || !is_other)
		return false;
	if (t->heir != st->index)
		set_heir(in, t, st->index);
	return in->packets - in->heard[st->index] > SOME_PACKETS;
}

/* Where nothing is announced, or both are, silence tells. */
static bool is_alone(struct sg_intake *in, struct track *t, const AVPacket *pkt)
{
	if (pkt->stream_index == t->index)
		t->heir_since = AV_NOPTS_VALUE;
	if (pkt->stream_index == t->heir)
		in->unheard = 0;
	if (pkt->stream_index != t->heir || pkt->dts == AV_NOPTS_VALUE)
		return false;
	if (t->heir_since == AV_NOPTS_VALUE || pkt->dts < t->heir_since)
		t->heir_since = pkt->dts;
	AVRational base = in->ic->streams[pkt->stream_index]->time_base;
	return av_rescale_q(pkt->dts - t->heir_since, base, AV_TIME_BASE_Q) >= GONE_US;
}

static enum sg_result follow_heir(struct sg_intake *in, struct track *t, const AVPacket *pkt)
{
	bool begins = begins_to_speak(in, t, pkt), takes_over = is_alone(in, t, pkt) || begins;

	if (takes_over && t == &in->video && !(pkt->flags & AV_PKT_FLAG_KEY))
		return SG_OK; /* not yet */
	return takes_over ? replace_track(in, t, in->ic->streams[pkt->stream_index]) : SG_OK;
}

/* Behind follow_heir. One that begins with less than a keyframe has not begun. */
static void note_heard(struct sg_intake *in, const AVPacket *pkt)
{
	bool is_picture = in->ic->streams[pkt->stream_index]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;

	in->packets++;
	if (!is_picture || pkt->stream_index == in->video.index || pkt->flags & AV_PKT_FLAG_KEY)
		in->heard[pkt->stream_index] = in->packets;
}

/* What an heir gathers has a limit too. */
static void drop_silent_heirs(struct sg_intake *in)
{
	if (in->unheard <= UNREAD_MAX || (in->video.heir < 0 && in->audio.heir < 0))
		return;
	set_heir(in, &in->video, -1);
	set_heir(in, &in->audio, -1);
	in->silent_heirs++;
}

/* ---- configurations ---- */

/* A configuration that stands in the container's header, or that the container has sent again (FLV). */
static enum sg_result take_header_config(
    struct track *t, const AVStream *st, const AVPacket *pkt, struct sg_frame **out)
{
	const AVCodecParameters *par = st->codecpar;
	struct sg_video_params source;
	struct sg_frame *f;
	size_t len;
	const uint8_t *p = av_packet_get_side_data(pkt, AV_PKT_DATA_NEW_EXTRADATA, &len);

	if (!p && !t->has_config) {
		p = par->extradata;
		len = (size_t)par->extradata_size;
	}
	if (!p || !len || (par->codec_type == AVMEDIA_TYPE_VIDEO && !t->lengths))
		return SG_OK;
	if (!(f = sg_frame_new(t->lengths ? SG_FRAME_VIDEO : SG_FRAME_AUDIO, t->codec, len)))
		return SG_ERR_NO_MEMORY;
	memcpy(f->payload, p, len);
	f->flags = SG_FRAME_CONFIG;
	if (t->lengths) { /* ours are of four bytes, whatever the source's are */
		if (sg_video_params_parse(t->codec, f->payload, f->size, NULL, &source) != SG_OK) {
			sg_frame_unref(f);
			return SG_ERR_BAD_INPUT;
		}
		t->nal_length = source.nal_length;
		f->payload[t->codec == SG_CODEC_H264 ? 4 : 21] |= 3;
	}
	t->has_config = true;
	*out = f;
	return SG_OK;
}

static void close_input(struct sg_intake *in)
{
	avformat_close_input(&in->ic);
	intake_source_unplug(in);
	close_track(&in->video);
	close_track(&in->audio);
	in->video = in->audio = (struct track){.index = -1, .heir = -1};
	in->known = in->at_opening = in->packets = 0;
	memset(in->heard, 0, sizeof(in->heard));
	intake_hls_begin(in);
}

static void tell_what_is_followed(struct sg_intake *in)
{
	const struct track *tracks[] = {&in->video, &in->audio};

	for (int i = 0; in->tables && i < 2; i++)
		in->tables->followed[i] =
		    tracks[i]->index < 0 ? 0 : in->ic->streams[tracks[i]->index]->id;
}

/* HLS that changed is read from where it did, which is the last segment at the latest. */
static enum sg_result open_input_again(struct sg_intake *in, const char **why)
{
	enum sg_result res = SG_OK;
	bool is_there = false;

	for (in->headers.from = HLS_FROM; res == SG_OK && !is_there && in->headers.from < 0; in->headers.from++) {
		close_input(in);
		in->is_cut = false;
		res = open_input(in, ANALYZE_AGAIN_US, why);
		is_there = intake_hls_is_there(in);
	}
	in->headers.wanted = 0;
	return res == SG_OK && !is_there ? SG_ERR_CLOSED : res;
}

/* What came before the cut is out; its tracks are others from here on. */
static enum sg_result begin_again(struct sg_intake *in, const char **why)
{
	bool had_pictures = in->video.index >= 0 || in->video.needs_key;
	int64_t now_ms = sg_mono_ms();

	if (now_ms - in->again_since_ms > AGAIN_WINDOW_MS) {
		in->again_since_ms = now_ms;
		in->again = 0;
	}
	in->is_unsteady = ++in->again > AGAIN_MAX;
	if (in->is_unsteady)
		return SG_ERR_LIMIT;
	if (in->tables)
		sg_ts_tables_begin(in->tables);
	enum sg_result res = open_input_again(in, why);
	if (res == SG_OK)
		res = choose_tracks(in, why);
	in->video.needs_key |= had_pictures;
	tell_what_is_followed(in);
	return in->is_cut && res != SG_ERR_NO_MEMORY ? SG_OK : res; /* it is begun once more */
}

enum sg_result sg_intake_open(
    struct sg_intake **out, const struct sg_intake_config *cfg, const char **why)
{
	struct sg_intake *in = calloc(1, sizeof(*in));
	enum sg_result res = SG_ERR_NO_MEMORY;

	*out = NULL;
	*why = "out of memory";
	if (!in)
		return res;
	in->cfg = *cfg;
	in->video.index = in->audio.index = in->video.heir = in->audio.heir = -1;
	sg_buf_init(&in->scratch, SG_FRAME_MAX_BYTES + 4096);
	if (!(in->pkt = av_packet_alloc()))
		goto fail;
	res = open_input(in, ANALYZE_US, why);
	if (res == SG_OK)
		res = choose_tracks(in, why);
	if (res != SG_OK && in->is_cut) /* before a track was there */
		res = begin_again(in, why);
	if (res != SG_OK)
		goto fail;
	tell_what_is_followed(in);
	*out = in;
	return SG_OK;
fail:
	sg_intake_close(in);
	return res;
}

void sg_intake_close(struct sg_intake *in)
{
	if (!in)
		return;
	close_input(in);
	intake_source_close(in);
	av_packet_free(&in->pkt);
	sg_frame_unref(in->pending);
	sg_buf_reset(&in->scratch);
	free(in);
}

bool sg_intake_has_pictures(const struct sg_intake *in)
{
	return in->video.index >= 0;
}

/* ---- frames ---- */

static struct sg_frame *frame_of(
    enum sg_frame_kind kind, enum sg_codec codec, const void *p, size_t len)
{
	struct sg_frame *f = sg_frame_new(kind, codec, len);

	if (f)
		memcpy(f->payload, p, len);
	return f;
}

static int64_t ticks(const struct track *t, int64_t time)
{
	return av_rescale_q(time, t->time_base, (AVRational){1, 90000});
}

/* False: nobody knows when this is due. libavformat does not know it of the frames of AAC behind a packet's
 * first, nor of Opus, where the track came later. */
static bool set_times(struct track *t, struct sg_frame *f, const AVPacket *pkt)
{
	int64_t dts = pkt->dts != AV_NOPTS_VALUE ? pkt->dts : pkt->pts;

	if (dts == AV_NOPTS_VALUE && t->last_dts != AV_NOPTS_VALUE && t->frame_lasts)
		dts = t->last_dts + t->frame_lasts;
	if (dts == AV_NOPTS_VALUE)
		return false;
	f->dts_90khz = ticks(t, dts);
	f->pts_90khz = pkt->pts != AV_NOPTS_VALUE ? ticks(t, pkt->pts) : f->dts_90khz;
	t->last_dts = dts;
	return true;
}

/* Hands out `config` first, where there is one, and `f` (NULL: none) next. */
static void hand_out(
    struct sg_intake *in, struct sg_frame *config, struct sg_frame *f, struct sg_frame **out)
{
	*out = config ? config : f;
	in->pending = config ? f : NULL;
}

static enum sg_result read_byte_stream(
    struct sg_intake *in, const AVPacket *pkt, struct sg_frame **config)
{
	struct track *t = &in->video;
	bool changed;
	struct sg_buf record;
	enum sg_result res =
	    sg_annexb_read(&t->annexb, pkt->data, (size_t)pkt->size, &in->scratch, &changed);

	if (res != SG_OK || (!changed && t->has_config))
		return res;
	sg_buf_init(&record, 65536);
	res = sg_annexb_config(&t->annexb, &record);
	if (res == SG_OK && !(*config = frame_of(SG_FRAME_VIDEO, t->codec, record.p, record.len)))
		res = SG_ERR_NO_MEMORY;
	if (*config) {
		(*config)->flags = SG_FRAME_CONFIG;
		t->has_config = true;
	}
	sg_buf_reset(&record);
	return res == SG_NEED_MORE ? SG_OK : res;
}

static enum sg_result read_lengths(struct sg_intake *in, const AVPacket *pkt)
{
	struct track *t = &in->video;
	size_t size4;

	if (!t->nal_length ||
	    !sg_nalus_are_whole(pkt->data, (size_t)pkt->size, t->nal_length, &size4))
		return SG_ERR_BAD_INPUT;
	if (!sg_buf_reserve(&in->scratch, size4))
		return SG_ERR_LIMIT;
	sg_nalus_widen(in->scratch.p, pkt->data, (size_t)pkt->size, t->nal_length);
	in->scratch.len = size4;
	return SG_OK;
}

static enum sg_result take_video(struct sg_intake *in, const AVPacket *pkt, struct sg_frame **out)
{
	struct track *t = &in->video;
	struct sg_frame *config = NULL, *f = NULL;
	enum sg_result res = take_header_config(t, in->ic->streams[t->index], pkt, &config);

	in->scratch.len = 0;
	if (res == SG_OK)
		res = t->lengths ? read_lengths(in, pkt) : read_byte_stream(in, pkt, &config);
	if (res == SG_OK && in->scratch.len) {
		f = frame_of(SG_FRAME_VIDEO, t->codec, in->scratch.p, in->scratch.len);
		if (!f) {
			res =
			    in->scratch.len > SG_FRAME_MAX_BYTES ? SG_ERR_LIMIT : SG_ERR_NO_MEMORY;
		} else {
			f->flags = pkt->flags & AV_PKT_FLAG_KEY ? SG_FRAME_KEY : 0;
			if (!set_times(t, f, pkt)) {
				sg_frame_unref(f);
				f = NULL;
			}
		}
	}
	hand_out(in, config, f, out);
	return res;
}

/* The AudioSpecificConfig that the filter made from an ADTS header. */
static struct sg_frame *take_asc(struct sg_intake *in, AVPacket *pkt)
{
	size_t len;
	const uint8_t *asc = av_packet_get_side_data(pkt, AV_PKT_DATA_NEW_EXTRADATA, &len);
	struct sg_frame *f = asc ? frame_of(SG_FRAME_AUDIO, SG_CODEC_AAC, asc, len) : NULL;

	if (f) {
		f->flags = SG_FRAME_CONFIG;
		in->audio.has_config = true;
	}
	return f;
}

#define ADTS_SAMPLES 1024
static const int adts_rates[] = {
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The filter tells of the first header alone; a source may go on with another rate. */
static bool follow_adts(struct sg_intake *in, const AVPacket *pkt)
{
	struct track *t = &in->audio;
	const uint8_t *p = pkt->data;

	if (pkt->size < 7 || p[0] != 0xff || (p[1] & 0xf0) != 0xf0)
		return true;
	/* ISO/IEC 14496-3 1.A.2.2.1: profile, sampling_frequency_index, channel_configuration. */
	uint32_t kind = ((uint32_t)p[2] << 8 | p[3]) & 0xfdc0;
	bool ok = true;
	if (t->adts_kind && t->adts_kind != kind) {
		av_bsf_free(&t->adts);
		ok = open_adts(t, in->ic->streams[t->index]);
	}
	t->adts_kind = kind;
	unsigned index = p[2] >> 2 & 15; /* ISO/IEC 14496-3 table 1.18 */
	t->frame_lasts =
	    index >= COUNT(adts_rates)
		? 0
		: av_rescale_q(ADTS_SAMPLES, (AVRational){1, adts_rates[index]}, t->time_base);
	return ok;
}

/* RFC 6716 section 3.1: how long a frame of each configuration lasts, and how many there are. */
static int64_t opus_lasts(const struct track *t, const AVPacket *pkt)
{
	static const int silk[] = {480, 960, 1920, 2880}, celt[] = {120, 240, 480, 960};
	unsigned config = pkt->data[0] >> 3, code = pkt->data[0] & 3;
	int samples = config < 12   ? silk[config & 3]
		      : config < 16 ? silk[config & 1]
				    : celt[config & 3];
	int count = code == 0 ? 1 : code < 3 ? 2 : pkt->size > 1 ? pkt->data[1] & 63 : 0;

	return av_rescale_q(samples * count, (AVRational){1, 48000}, t->time_base);
}

static enum sg_result take_audio(struct sg_intake *in, AVPacket *pkt, struct sg_frame **out)
{
	struct track *t = &in->audio;
	struct sg_frame *config = NULL;
	enum sg_result res = SG_OK;

	if (t->adts) {
		if (!follow_adts(in, pkt))
			return SG_ERR_NO_MEMORY;
		if (av_bsf_send_packet(t->adts, pkt) < 0 || av_bsf_receive_packet(t->adts, pkt) < 0)
			return SG_ERR_BAD_INPUT;
		config = take_asc(in, pkt);
	}
	if (!config && t->codec != SG_CODEC_MP3)
		res = take_header_config(t, in->ic->streams[t->index], pkt, &config);
	if (res != SG_OK || pkt->size <= 0) {
		hand_out(in, config, NULL, out);
		return res;
	}
	struct sg_frame *f = frame_of(SG_FRAME_AUDIO, t->codec, pkt->data, (size_t)pkt->size);
	if (f && !set_times(t, f, pkt)) {
		sg_frame_unref(f);
		f = NULL;
	}
	if (t->codec == SG_CODEC_OPUS)
		t->frame_lasts = opus_lasts(t, pkt);
	hand_out(in, config, f, out);
	return SG_OK;
}

static enum sg_result take_packet(struct sg_intake *in, struct sg_frame **out)
{
	AVPacket *pkt = in->pkt;
	enum sg_result res = SG_OK;
	bool ours = true;

	if (pkt->flags & AV_PKT_FLAG_KEY && pkt->stream_index == in->video.index)
		in->video.needs_key = false;
	if (pkt->size > (int)SG_FRAME_MAX_BYTES)
		res = SG_ERR_LIMIT;
	else if (pkt->stream_index == in->video.index && in->video.needs_key)
		ours = false;
	else if (pkt->stream_index == in->video.index)
		res = take_video(in, pkt, out);
	else if (pkt->stream_index == in->audio.index)
		res = take_audio(in, pkt, out);
	else
		ours = false;
	if (ours || pkt->stream_index == in->video.index)
		in->unread = 0;
	if (pkt->stream_index == in->video.index)
		in->unseen = 0;
	av_packet_unref(pkt);
	if (*out)
		in->bad = 0;
	else if (ours && (res == SG_OK || res == SG_ERR_BAD_INPUT))
		res = ++in->bad > BAD_IN_A_ROW ? SG_ERR_BAD_INPUT : SG_OK;
	return *out ? SG_OK : res;
}

/* A picture whose end does not come, while there is sound: what there is of it is thrown away. */
static void drop_endless(struct sg_intake *in)
{
	if (in->video.index < 0 || in->unseen <= UNREAD_MAX)
		return;
	in->unseen = 0;
	avformat_flush(in->ic);
}

static enum sg_result follow_tracks(struct sg_intake *in, bool has_packet)
{
	struct track *const tracks[] = {&in->video, &in->audio};
	enum sg_result res = meet_new(in);

	for (int i = 0; i < 2 && res == SG_OK; i++) {
		res = follow_program(in, tracks[i]);
		if (res == SG_OK && has_packet)
			res = follow_heir(in, tracks[i], in->pkt);
	}
	if (has_packet)
		note_heard(in, in->pkt);
	drop_silent_heirs(in);
	tell_what_is_followed(in);
	return res;
}

/* All that came before the cut, or as much of it as comes soon: other playlists of HLS go on behind it. */
static bool is_out(struct sg_intake *in, int got)
{
	bool is_end = got < 0 && got != AVERROR(EAGAIN);

	in->since_cut = in->is_cut ? in->since_cut + 1 : 0;
	return in->is_cut && (is_end || (!in->tables && in->since_cut > SOME_PACKETS));
}

enum sg_result sg_intake_next(struct sg_intake *in, struct sg_frame **out)
{
	enum sg_result res = SG_OK;
	const char *why;

	*out = in->pending;
	in->pending = NULL;
	while (!*out && res == SG_OK) {
		int got = in->ic ? av_read_frame(in->ic, in->pkt) : AVERROR_EOF;
		in->is_unsteady = too_many_came(in, got);
		if (in->unread > UNREAD_MAX || in->is_unsteady)
			return SG_ERR_LIMIT;
		if (in->cfg.stop(in->cfg.user))
			return SG_ERR_CLOSED;
		if (is_out(in, got)) {
			av_packet_unref(in->pkt);
			if ((res = begin_again(in, &why)) == SG_ERR_IO)
				return SG_ERR_CLOSED;
			continue;
		}
		if (got < 0 && got != AVERROR(EAGAIN))
			return SG_ERR_CLOSED;
		res = follow_tracks(in, got >= 0);
		drop_endless(in);
		if (got >= 0 && res == SG_OK)
			res = take_packet(in, out);
	}
	return res;
}

const char *sg_intake_trouble(const struct sg_intake *in)
{
	return in->is_unsteady ? "its tracks are replaced again and again"
			       : "what it sends makes no sense";
}
