#include "media/outlet.h"
#include "media/far_tls.h"
#include <libavformat/avformat.h>
#include <stdlib.h>

struct sg_outlet {
	struct sg_outlet_config cfg;
	AVIOContext *io;
	bool flv;
};

static int on_interrupt(void *opaque)
{
	struct sg_outlet *o = opaque;

	return o->cfg.stop(o->cfg.user);
}

enum sg_result sg_outlet_open(struct sg_outlet **out, const struct sg_outlet_config *cfg, const char **why)
{
	struct sg_outlet *o = calloc(1, sizeof(*o));
	AVDictionary *options = NULL;

	*out = NULL;
	*why = "out of memory";
	if (!o)
		return SG_ERR_NO_MEMORY;
	o->cfg = *cfg;
	o->flv = strncmp(cfg->url, "rtmp", 4) == 0;
	AVIOInterruptCB interrupt = {on_interrupt, o};
	far_tls_check(&options, cfg->ca_file);
	int res = avio_open2(&o->io, cfg->url, AVIO_FLAG_WRITE, &interrupt, &options);
	av_dict_free(&options);
	if (res < 0) {
		*why = far_tls_is_refused(cfg->url, cfg->ca_file, &interrupt) ? FAR_TLS_REFUSED
									      : "nobody answers there, or it refuses us";
		bool stopped = cfg->stop(cfg->user);
		free(o);
		return stopped ? SG_ERR_CLOSED : SG_ERR_IO;
	}
	*out = o;
	return SG_OK;
}

void sg_outlet_close(struct sg_outlet *o)
{
	if (!o)
		return;
	avio_close(o->io);
	free(o);
}

bool sg_outlet_takes_flv(const struct sg_outlet *o)
{
	return o->flv;
}

static enum sg_result result(const struct sg_outlet *o)
{
	return o->io->error < 0 ? SG_ERR_IO : SG_OK;
}

enum sg_result sg_outlet_write(struct sg_outlet *o, const void *p, size_t len)
{
	avio_write(o->io, p, (int)len); /* frames are bounded far below an int */
	return result(o);
}

enum sg_result sg_outlet_flush(struct sg_outlet *o)
{
	avio_flush(o->io);
	return result(o);
}
