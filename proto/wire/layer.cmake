hs_layer(wire proto/wire SOURCES write.c read.c check.c)
