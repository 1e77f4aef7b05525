# Benchmarks are built with the tests and run by hand: tests/bench/run.py.
add_executable(bench_inline bench/bench_inline.c)
target_link_libraries(bench_inline PRIVATE hsfeed_static)
add_executable(bench_socket bench/bench_socket.c)
