# Measures, beside the peers that Debian has.
.PHONY: bench

BENCH_BIN := $(patsubst %,$(OUT)/bench/%,view publish bare_loop gate_load rtc_view rtc_bare llhls srt_view)

$(OUT)/bench/%: tests/bench/%.c tests/bench/wire.h
	@mkdir -p $(@D)
	$(CC) $(SG_CFLAGS) $(CFLAGS) -o $@ $<
$(OUT)/bench/gate_load: tests/bench/gate_load.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(SG_CFLAGS) $(CFLAGS) $(SG_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS) -lhiredis
$(OUT)/bench/srt_view: tests/bench/srt_view.c
	@mkdir -p $(@D)
	$(CC) $(SG_CFLAGS) $(CFLAGS) -o $@ $< $(shell pkg-config --libs srt)
$(OUT)/bench/rtc_%: tests/bench/rtc_%.c tests/bench/wire.h $(LIB)
	@mkdir -p $(@D)
	$(CC) $(SG_CFLAGS) $(CFLAGS) $(SG_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)

bench: ## Measure beside nginx-rtmp, nginx and Redis, as ratios in one run (BENCH_QUICK=1: a glance)
	@tests/install.sh tests/packages-build.txt tests/bench-packages.txt
	$(MAKE) -j$$(nproc) all $(BENCH_BIN)
	BUILD_DIR=$(OUT) tests/bench/run.sh
