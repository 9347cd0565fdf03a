# cmake --install: program, library, headers.
include(GNUInstallDirs)
