hs_test(test_cache unit/test_cache.c hs_feed)
hs_test(test_gather unit/test_gather.c hs_feed)
hs_test(test_searches unit/test_searches.c hs_feed)
target_sources(test_searches PRIVATE unit/store_fixture.c)
