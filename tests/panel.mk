# The panel is part of the program: a changed file of it is built in anew.
$(OUT)/lib/api/panel.o $(BUILD)/fuzz/lib/api/panel.o: $(wildcard web-panel/*)
$(OUT)/lib/api/sample.o $(BUILD)/fuzz/lib/api/sample.o: $(wildcard web-panel/sample/*)
