# The simulator as a part of alexnet_cuda.
set(simulator ${CMAKE_CURRENT_LIST_DIR})
target_include_directories(alexnet_cuda BEFORE PRIVATE ${simulator}/include ${simulator})
target_sources(alexnet_cuda PRIVATE
  ${simulator}/sim_blas.cpp ${simulator}/sim_block.cpp ${simulator}/sim_fiber.cpp
  ${simulator}/sim_graph.cpp ${simulator}/sim_memory.cpp ${simulator}/sim_order.cpp
  ${simulator}/sim_stream.cpp)
