# Measures, beside the peers that Debian has.
.PHONY: bench

$(OUT)/bench/rtmp_load: tests/bench/rtmp_load.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Wall -Wextra -o $@ $<
$(OUT)/bench/gate_load: tests/bench/gate_load.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(SG_CFLAGS) $(CFLAGS) -o $@ $< $(LIB) $(PKG_LIBS) -lhiredis

bench: ## Measure beside nginx-rtmp, nginx and Redis, as ratios in one run (BENCH_QUICK=1: a glance)
	@tests/install.sh tests/packages-build.txt tests/bench-packages.txt
	$(MAKE) -j$$(nproc) all $(OUT)/bench/rtmp_load $(OUT)/bench/gate_load
	BUILD_DIR=$(OUT) tests/bench/run.sh
