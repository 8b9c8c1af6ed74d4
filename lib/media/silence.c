#include "media/silence.h"

#define OPUS_SAMPLES 960 /* 20 ms */

enum { AAC_LC = 2, AAC_SBR = 5, AAC_PS = 29 };

/* ISO/IEC 14496-3 table 4.85: what a raw_data_block consists of. */
enum { ID_SCE = 0, ID_CPE = 1, ID_LFE = 3, ID_END = 7 };

struct writer {
	uint8_t *p;
	size_t at; /* in bits */
};

static void put(struct writer *w, unsigned v, unsigned bits)
{
	while (bits--) {
		w->p[w->at / 8] |= (uint8_t)((v >> bits & 1) << (7 - w->at % 8));
		w->at++;
	}
}

/* individual_channel_stream() with ics_info() (4.4.2.7, 4.4.2.3) of a long window in which no band is coded. */
static void put_channel(struct writer *w)
{
	put(w, 0, 8);  /* global_gain */
	put(w, 0, 11); /* ics_reserved_bit, window_sequence, window_shape, max_sfb, predictor_data_present */
	put(w, 0, 3);  /* pulse, TNS and gain control */
}

static void put_element(struct writer *w, unsigned id, unsigned tag)
{
	put(w, id, 3);
	put(w, tag, 4);
	if (id == ID_CPE)
		put(w, 0, 1); /* common_window */
	put_channel(w);
	if (id == ID_CPE)
		put_channel(w);
}

static size_t write_aac(uint8_t *p, int layout)
{
	/* Table 1.19 of ISO/IEC 14496-3, by channelConfiguration. */
	static const struct {
		unsigned single_first, pairs, single_behind, lfe;
	} rows[] = { [1] = { .single_first = 1 }, [2] = { .pairs = 1 }, [3] = { .single_first = 1, .pairs = 1 },
		[4] = { 1, 1, 1, 0 }, [5] = { 1, 2, 0, 0 }, [6] = { 1, 2, 0, 1 }, [7] = { 1, 3, 0, 1 } };
	struct writer w = { p, 0 };
	unsigned singles = 0;

	if (rows[layout].single_first)
		put_element(&w, ID_SCE, singles++);
	for (unsigned i = 0; i < rows[layout].pairs; i++)
		put_element(&w, ID_CPE, i);
	if (rows[layout].single_behind)
		put_element(&w, ID_SCE, singles);
	if (rows[layout].lfe)
		put_element(&w, ID_LFE, 0);
	put(&w, ID_END, 3);
	return (w.at + 7) / 8;
}

/* RFC 6716 section 3.1: CELT, full band, 20 ms, one frame; what its coder leaves of silence. */
static size_t write_opus(uint8_t *p, int channels)
{
	p[0] = (uint8_t)(31 << 3 | (channels == 2) << 2);
	p[1] = 0xff;
	p[2] = 0xfe;
	return 3;
}

struct sg_frame *sg_silence(enum sg_codec codec, const struct sg_audio_params *ap, int *samples)
{
	bool is_plain = ap->object_type == AAC_LC || ap->object_type == AAC_SBR || ap->object_type == AAC_PS;
	uint8_t bytes[64] = { 0 };
	size_t len = 0;

	*samples = 0;
	if (codec == SG_CODEC_AAC && is_plain && ap->layout >= 1 && ap->layout <= 7) {
		len = write_aac(bytes, ap->layout);
		*samples = ap->frame_samples;
	} else if (codec == SG_CODEC_OPUS && (ap->channels == 1 || ap->channels == 2)) {
		len = write_opus(bytes, ap->channels);
		*samples = OPUS_SAMPLES;
	}
	struct sg_frame *f = len ? sg_frame_new(SG_FRAME_AUDIO, codec, len) : NULL;
	if (f)
		memcpy(f->payload, bytes, len);
	return f;
}
