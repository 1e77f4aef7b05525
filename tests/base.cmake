hs_test(test_base unit/test_base.c hs_base)
