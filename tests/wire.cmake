hs_test(test_wire_write unit/test_wire_write.c hs_wire PkgConfig::MSGPACK)
hs_test(test_wire_read unit/test_wire_read.c hs_wire)
hs_test(test_wire_check unit/test_wire_check.c hs_wire PkgConfig::MSGPACK)
hs_test(fuzz_wire fuzz/fuzz_wire.c hs_wire PkgConfig::MSGPACK)
