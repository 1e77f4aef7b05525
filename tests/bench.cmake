# Benchmarks are built with the tests and run by hand: tests/bench/run.py.
add_executable(bench_stream bench/bench_stream.c)
target_link_libraries(bench_stream PRIVATE hsfeed_static)
add_executable(bench_socket bench/bench_socket.c)
add_executable(bench_gather bench/bench_gather.c)
target_link_libraries(bench_gather PRIVATE hs_feed)
