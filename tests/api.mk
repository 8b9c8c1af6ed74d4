# The description of the REST interface is part of the program: a changed one is built in anew.
$(OUT)/lib/api/openapi.o $(BUILD)/fuzz/lib/api/openapi.o: lib/api/openapi.json
