hs_layer(store daemon/store
         SOURCES disk.c pages.c crctable.c writer.c file.c rows.c version.c encoding.c attached.c contents.c
                 state.c records.c catalog.c store.c use.c publish.c remove.c detach.c rebuild.c plans.c
                 near.c near_files.c
         USES hs_base hs_wire hs_text PkgConfig::LMDB Threads::Threads)
