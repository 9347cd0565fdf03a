/* version: read by CMakeLists.txt too. */
#ifndef UWC_VERSION_H
#define UWC_VERSION_H

#define UWC_VERSION "0.1.0"

#endif
