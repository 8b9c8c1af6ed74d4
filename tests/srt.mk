# A caller that tells with which code SRT was refused.
tests: $(OUT)/tests/srt_call
$(OUT)/tests/srt_call: tests/srt_call.c
	@mkdir -p $(@D)
	$(CC) $(SG_CFLAGS) $(CFLAGS) $(SG_LDFLAGS) -o $@ $< $(shell pkg-config --libs srt)
