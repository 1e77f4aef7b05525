add_executable(plan_dump oracle/plan_dump.c)
target_link_libraries(plan_dump PRIVATE hs_plan)
