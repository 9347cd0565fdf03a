# The one table of modules: floor, lower modules used, libraries whose headers the module's sources include.
# A module may use lower floors only; an upward or sideways edge stops the configuration.
set(UWC_MODULES
  #  name    floor  uses                                     libraries
  "base    | 0 |                                           | jansson m"
  "tensor  | 1 | base                                      | m"
  "par     | 1 | base                                      | mpi"
  "config  | 1 | base                                      | yaml m"
  "ops     | 2 | base tensor                               | dnnl openmp m"
  "quant   | 2 | base tensor                               | openmp m"
  "store   | 2 | base tensor                               | hdf5 jpeg png threads m"
  "linalg  | 2 | base par                                  | openblas lapacke scalapack mpi openmp m"
  "graph   | 3 | base tensor ops quant                     | openmp m"
  "onnx    | 4 | base tensor ops quant graph               | protobuf m"
  "recon   | 4 | base tensor ops quant linalg graph        | openmp m"
  "eval    | 4 | base tensor graph                         | m"
  "report  | 5 | base config graph eval                    | m"
  "sched   | 6 | base tensor par config ops quant store linalg graph onnx recon eval report | m"
  "cli     | 7 | base tensor par config ops quant store linalg graph onnx recon eval report sched | m"
)

function(uwc_module row)
  string(REGEX MATCHALL "[^|]+" field "${row}")
  list(TRANSFORM field STRIP)
  list(GET field 0 name)
  list(GET field 1 floor)
  list(GET field 2 uses)
  list(GET field 3 libraries)
  separate_arguments(uses)
  separate_arguments(libraries)
  set_property(GLOBAL PROPERTY uwc_floor_${name} ${floor})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/${name}/*.c)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  if(NOT sources)
    return()
  endif()
  add_library(uwc_${name} OBJECT ${sources})
  target_include_directories(uwc_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src/${name})
  target_link_libraries(uwc_${name} PRIVATE uwc_flags)
  foreach(lower IN LISTS uses)
    get_property(lower_floor GLOBAL PROPERTY uwc_floor_${lower})
    if(NOT lower_floor LESS floor)
      message(FATAL_ERROR "module ${name} (floor ${floor}) may not use ${lower} (floor ${lower_floor})")
    endif()
  endforeach()
  if(mpi IN_LIST libraries)
    target_include_directories(uwc_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src/par) # par_mpi.h
  endif()
  foreach(library IN LISTS libraries)
    target_link_libraries(uwc_${name} PRIVATE uwc_dep_${library})
    set_property(GLOBAL APPEND PROPERTY uwc_libraries uwc_dep_${library})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY uwc_objects uwc_${name})
endfunction()

foreach(row IN LISTS UWC_MODULES)
  uwc_module("${row}")
endforeach()

# Generated protobuf-c code of the onnx module.
if(TARGET uwc_onnx AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/src/onnx/onnx.proto)
  set(proto_out ${CMAKE_CURRENT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${proto_out})
  add_custom_command(OUTPUT ${proto_out}/onnx.pb-c.c ${proto_out}/onnx.pb-c.h
    COMMAND ${UWC_PROTOC_C} --c_out=${proto_out} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/src/onnx onnx.proto
    DEPENDS src/onnx/onnx.proto VERBATIM)
  target_sources(uwc_onnx PRIVATE ${proto_out}/onnx.pb-c.c)
  set_source_files_properties(${proto_out}/onnx.pb-c.c PROPERTIES COMPILE_OPTIONS "-w")
  target_include_directories(uwc_onnx SYSTEM PRIVATE ${proto_out})
endif()

get_property(objects GLOBAL PROPERTY uwc_objects)
get_property(libraries GLOBAL PROPERTY uwc_libraries)
list(REMOVE_DUPLICATES libraries)
set(object_files)
foreach(object IN LISTS objects)
  list(APPEND object_files $<TARGET_OBJECTS:${object}>)
endforeach()
add_library(uwc_library ${object_files})
set_target_properties(uwc_library PROPERTIES OUTPUT_NAME uwc LINKER_LANGUAGE C)
target_include_directories(uwc_library PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_link_libraries(uwc_library PUBLIC "$<BUILD_INTERFACE:${libraries}>" PRIVATE $<BUILD_INTERFACE:uwc_flags>)

if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/src/cli/main.c)
  add_executable(uwc_program src/cli/main.c)
  set_target_properties(uwc_program PROPERTIES OUTPUT_NAME uwc)
  target_link_libraries(uwc_program PRIVATE uwc_library uwc_flags)
endif()
