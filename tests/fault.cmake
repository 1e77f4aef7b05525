# Programs whose n-th allocation or system call fails. Calls that reach the kernel are replaced in the program itself,
# so LMDB's fail as well; malloc is wrapped at link time, because a sanitizer needs its own.
function(hs_fault_test name)
  hs_test(${name} fault/${name}.c hs_store ${CMAKE_DL_LIBS})
  target_sources(${name} PRIVATE fault/fault_io.c unit/store_fixture.c)
  target_include_directories(${name} PRIVATE unit fault)
  target_link_options(${name} PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
endfunction()

hs_fault_test(fault_store)
hs_fault_test(fault_store_crash)
hs_fault_test(fault_store_corrupt)
