# The store's tests share a fixture that makes small files of every kind.
function(hs_store_test name)
  hs_test(${name} unit/${name}.c hs_store)
  target_sources(${name} PRIVATE unit/store_fixture.c)
endfunction()

hs_store_test(test_store_file)
hs_store_test(test_store_version)
hs_store_test(test_store)
hs_store_test(test_store_start)
hs_store_test(test_store_threads)
hs_store_test(test_store_plans)
hs_store_test(test_store_attached)
hs_store_test(test_store_near)
