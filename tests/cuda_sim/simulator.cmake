# Adds the simulator to alexnet_cuda.
set(simulator ${CMAKE_CURRENT_LIST_DIR})
target_include_directories(alexnet_cuda BEFORE PRIVATE ${simulator}/include ${simulator})
target_sources(alexnet_cuda PRIVATE
  ${simulator}/sim_blas.cpp ${simulator}/sim_block.cpp ${simulator}/sim_device.cpp
  ${simulator}/sim_exports.cpp ${simulator}/sim_fiber.cpp ${simulator}/sim_graph.cpp
  ${simulator}/sim_memory.cpp ${simulator}/sim_order.cpp ${simulator}/sim_pinned.cpp
  ${simulator}/sim_stream.cpp)
set(exports ${simulator}/exports.map)

# A fake NCCL, which calls the simulator as NCCL calls CUDA. Tests add its folder to LD_LIBRARY_PATH.
add_library(fake_nccl MODULE ${simulator}/fake_nccl.cpp)
set_target_properties(fake_nccl PROPERTIES OUTPUT_NAME libnccl.so.2 PREFIX "" SUFFIX ""
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/fake_nccl)
target_include_directories(fake_nccl PRIVATE ${simulator}/include)
target_compile_options(fake_nccl PRIVATE -Wall -Wextra -Wno-missing-field-initializers)
target_link_libraries(fake_nccl PRIVATE Threads::Threads)
add_dependencies(alexnet_cuda fake_nccl)
if(ALEXNET_PYTHON)
  install(TARGETS fake_nccl LIBRARY DESTINATION alexnet_native/fake_nccl COMPONENT python)
endif()
