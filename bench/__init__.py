"""The benchmark: CPU per request and per streamed event, as a ratio to nginx in the same run
(docs/benchmarks.md)."""
