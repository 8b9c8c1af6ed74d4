# Which client does what: tests/matrix.
.PHONY: matrix

matrix: all ## Try every client over every protocol, and draw the table of README.md
	@tests/browser/install.sh
	MATRIX_WRITE=1 BUILD_DIR=$(OUT) TEST_LOGS=$(OUT)/test-logs tests/run.sh tests/matrix/matrix_test.js
