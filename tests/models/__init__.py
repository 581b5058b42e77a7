"""Models of other packages, too large for the tests: run by hand."""
