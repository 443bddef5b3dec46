# Finds CUDA for the back end, in a toolkit or in NVIDIA's wheels on PyPI. find_package(CUDAToolkit) does
# not find the wheels, which have neither lib64 nor unversioned .so files. Required: nvcc, the runtime,
# cuBLAS. Optional: the header of cuDNN. The libraries of cuDNN and NCCL are opened at run time.
#
#   ALEXNET_CUDA=AUTO    build the back end if everything is found, else print what is missing
#   ALEXNET_CUDA=ON      stop if something is missing
#   ALEXNET_CUDA=WHEELS  like ON, but only use the toolchain from the wheels of the build environment
#
# Sets ALEXNET_CUDA to ON or OFF. If it is ON, enables the language CUDA and defines alexnet::cudart,
# alexnet::cublas, ALEXNET_CUDA_RUNPATH and, if found, alexnet::cudnn_headers.
set(cuda_missing "")
set(cuda_major 13)

# The "nvidia" folders of this Python, which contain NVIDIA's wheels.
set(wheel_folders "")
if(Python_EXECUTABLE)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
      "from importlib.util import find_spec as f; s = f('nvidia'); print(*(s.submodule_search_locations if s else ()), sep=';')"
    OUTPUT_VARIABLE wheel_folders OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
set(wheel_roots "")
foreach(folder IN LISTS wheel_folders)
  list(APPEND wheel_roots ${folder}/cu${cuda_major})
endforeach()

set(cuda_roots "")
if(NOT ALEXNET_CUDA STREQUAL "WHEELS")
  foreach(root "${CUDAToolkit_ROOT}" "$ENV{CUDAToolkit_ROOT}" "$ENV{CUDA_HOME}" "$ENV{CUDA_PATH}")
    if(root)
      list(APPEND cuda_roots ${root})
    endif()
  endforeach()
endif()

# nvcc: the one that is set explicitly, then those in the roots, in PATH, in the usual folders, in the
# wheels.
set(nvcc "")
if(NOT ALEXNET_CUDA STREQUAL "WHEELS")
  foreach(named "${CMAKE_CUDA_COMPILER}" "$ENV{CUDACXX}")
    if(named AND NOT nvcc)
      find_program(ALEXNET_NVCC NAMES ${named})
      set(nvcc ${ALEXNET_NVCC})
    endif()
  endforeach()
  string(REPLACE ":" ";" path "$ENV{PATH}")
  list(TRANSFORM cuda_roots APPEND /bin OUTPUT_VARIABLE nvcc_folders)
  list(APPEND nvcc_folders ${path} /usr/local/cuda/bin /opt/cuda/bin)
endif()
list(TRANSFORM wheel_roots APPEND /bin OUTPUT_VARIABLE wheel_bins)
list(APPEND nvcc_folders ${wheel_bins})
if(NOT nvcc)
  find_program(ALEXNET_NVCC nvcc PATHS ${nvcc_folders} NO_DEFAULT_PATH)
  set(nvcc ${ALEXNET_NVCC})
endif()

if(nvcc)
  # nvcc may be a wrapper script, so it is asked for the root of its toolkit.
  execute_process(COMMAND ${nvcc} -dryrun -v -x cu /dev/null ERROR_VARIABLE dryrun OUTPUT_QUIET)
  if(dryrun MATCHES "TOP=([^\n\r]+)")
    get_filename_component(nvcc_root "${CMAKE_MATCH_1}" REALPATH)
    list(PREPEND cuda_roots ${nvcc_root})
  endif()
  execute_process(COMMAND ${nvcc} --version OUTPUT_VARIABLE nvcc_version ERROR_QUIET)
  if(nvcc_version MATCHES "release ([0-9]+)\\.([0-9]+)")
    if(CMAKE_MATCH_1 EQUAL cuda_major)
      set(nvcc_version "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}")
    else()
      list(APPEND cuda_missing "CUDA ${cuda_major} (${nvcc} has version ${CMAKE_MATCH_1}.${CMAKE_MATCH_2})")
    endif()
  else()
    list(APPEND cuda_missing "an nvcc that runs (${nvcc} does not run)")
  endif()
else()
  list(APPEND cuda_missing "nvcc")
endif()

list(APPEND cuda_roots ${wheel_roots})
if(NOT ALEXNET_CUDA STREQUAL "WHEELS")
  list(APPEND cuda_roots /usr/local/cuda /opt/cuda)
endif()
set(cuda_includes "")
set(cuda_libs "")
foreach(root IN LISTS cuda_roots)
  list(APPEND cuda_includes ${root}/include ${root}/targets/${CMAKE_SYSTEM_PROCESSOR}-linux/include)
  list(APPEND cuda_libs ${root}/lib64 ${root}/targets/${CMAKE_SYSTEM_PROCESSOR}-linux/lib ${root}/lib)
endforeach()
set(cudnn_includes ${cuda_includes})
foreach(folder IN LISTS wheel_folders)
  list(APPEND cudnn_includes ${folder}/cudnn/include)
endforeach()
if(NOT ALEXNET_CUDA STREQUAL "WHEELS")
  set(system_includes /usr/include /usr/include/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)
endif()

# Finds a header and, unless the library is opened at run time, the library by its full name.
function(add_cuda_library name header library)
  set(folders ${ARGN})
  if(library)
    set(folders ${cuda_includes})
    find_file(ALEXNET_${name}_LIBRARY ${library} PATHS ${cuda_libs} NO_DEFAULT_PATH)
  endif()
  find_path(ALEXNET_${name}_INCLUDE ${header} PATHS ${folders} ${system_includes} NO_DEFAULT_PATH)
  if(NOT ALEXNET_${name}_INCLUDE OR (library AND NOT ALEXNET_${name}_LIBRARY))
    return()
  endif()
  if(library)
    add_library(alexnet::${name} SHARED IMPORTED GLOBAL)
    set_target_properties(alexnet::${name} PROPERTIES
      IMPORTED_LOCATION ${ALEXNET_${name}_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${ALEXNET_${name}_INCLUDE})
  else()
    add_library(alexnet::${name}_headers INTERFACE IMPORTED GLOBAL)
    set_target_properties(alexnet::${name}_headers PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES ${ALEXNET_${name}_INCLUDE})
  endif()
endfunction()
add_cuda_library(cudart cuda_runtime.h libcudart.so.${cuda_major})
add_cuda_library(cublas cublas_v2.h libcublas.so.${cuda_major})
add_cuda_library(cudnn cudnn.h "" ${cudnn_includes})
foreach(needed cudart cublas)
  if(NOT TARGET alexnet::${needed})
    list(APPEND cuda_missing "${needed} (header and lib${needed}.so.${cuda_major})")
  endif()
endforeach()

# Compiles and links a kernel, which detects an unsupported host compiler and an incomplete toolkit.
if(NOT cuda_missing)
  if(NOT EXISTS ${nvcc_root}/lib64)  # in the wheels: nvcc does not search lib by itself
    string(APPEND CMAKE_CUDA_FLAGS " -L${nvcc_root}/lib")
  endif()
  if(NOT CMAKE_CUDA_HOST_COMPILER)
    set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
    if(NOT "$ENV{CUDAHOSTCXX}" STREQUAL "")
      set(CMAKE_CUDA_HOST_COMPILER $ENV{CUDAHOSTCXX})
    endif()
  endif()
  set(trial ${CMAKE_BINARY_DIR}/cuda_trial.cu)
  file(WRITE ${trial} "#include <cuda_runtime.h>\n__global__ void f(int* x) { *x = 1; }\n"
                      "void g(int* x) { f<<<1, 1>>>(x); }\n")
  separate_arguments(trial_flags NATIVE_COMMAND "${CMAKE_CUDA_FLAGS}")
  execute_process(
    COMMAND ${nvcc} -ccbin ${CMAKE_CUDA_HOST_COMPILER} -std=c++20 -arch=sm_80 -shared
            -Xcompiler=-fPIC ${trial_flags} -o ${trial}.so ${trial}
    RESULT_VARIABLE failed OUTPUT_VARIABLE trial_output ERROR_VARIABLE trial_output)
  if(NOT failed EQUAL 0)
    string(REGEX MATCH "[^\n]*(error|fatal|cannot)[^\n]*" trial_line "${trial_output}")
    list(APPEND cuda_missing "an nvcc that compiles (${nvcc}: ${trial_line})")
  endif()
endif()

if(cuda_missing)
  list(JOIN cuda_missing ", " cuda_missing)
  set(cuda_advice "set CUDA_HOME or PATH to a CUDA ${cuda_major} toolkit, or use ALEXNET_CUDA=WHEELS")
  if(ALEXNET_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA: the back end is not built; missing: ${cuda_missing} (${cuda_advice})")
    set(ALEXNET_CUDA OFF)
    return()
  endif()
  if(ALEXNET_CUDA STREQUAL "WHEELS")
    set(cuda_advice "install through pip with ALEXNET_CUDA=WHEELS in the environment")
  endif()
  message(FATAL_ERROR "ALEXNET_CUDA=${ALEXNET_CUDA}: missing: ${cuda_missing} (${cuda_advice})")
endif()

# CMAKE_CUDA_ARCHITECTURES if set, else CUDAARCHS, else our default.
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90-real;90-virtual")
  if(NOT "$ENV{CUDAARCHS}" STREQUAL "")
    set(CMAKE_CUDA_ARCHITECTURES $ENV{CUDAARCHS})
  endif()
endif()
set(CMAKE_CUDA_COMPILER ${nvcc})
enable_language(CUDA)

# The folders of the libraries at run time: beside the package in site-packages, and in a toolkit. Never
# in a build environment, which no longer exists then.
set(ALEXNET_CUDA_RUNPATH "")
foreach(part cu${cuda_major} cudnn nccl)
  list(APPEND ALEXNET_CUDA_RUNPATH "$ORIGIN/../nvidia/${part}/lib")
endforeach()
foreach(library ${ALEXNET_cudart_LIBRARY} ${ALEXNET_cublas_LIBRARY})
  get_filename_component(folder ${library} DIRECTORY)
  set(of_wheel OFF)
  foreach(root IN LISTS wheel_roots)
    cmake_path(IS_PREFIX root ${library} of_this)
    if(of_this)
      set(of_wheel ON)
    endif()
  endforeach()
  if(NOT of_wheel AND NOT folder IN_LIST ALEXNET_CUDA_RUNPATH)
    list(APPEND ALEXNET_CUDA_RUNPATH ${folder})
  endif()
endforeach()

set(cudnn_header "without cuDNN (cudnn.h was not found)")
if(TARGET alexnet::cudnn_headers)
  set(cudnn_header "cudnn.h from ${ALEXNET_cudnn_INCLUDE}")
endif()
message(STATUS "CUDA: nvcc ${nvcc_version} ${nvcc}, ${ALEXNET_cublas_LIBRARY}, ${cudnn_header}, "
               "architectures ${CMAKE_CUDA_ARCHITECTURES}")
set(ALEXNET_CUDA ON)
