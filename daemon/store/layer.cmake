hs_layer(store daemon/store
         SOURCES disk.c pages.c crctable.c writer.c file.c version.c encoding.c rows.c
         USES hs_base hs_wire PkgConfig::LMDB)
