# arm64.cmake -- toolchain file: builds for 64-bit Arm with Debian's cross compiler; programs run under qemu's user mode.
# `tools/setup.sh arm64` installs both and fetches the libraries.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(HEED_ARM64_LIBRARIES ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-libraries)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu max -L ${HEED_ARM64_LIBRARIES})
# Last, because libraries without machine code are taken from this system's own headers.
set(CMAKE_CXX_FLAGS_INIT "-idirafter ${HEED_ARM64_LIBRARIES}/usr/include/aarch64-linux-gnu")
string(CONCAT CMAKE_EXE_LINKER_FLAGS_INIT "-L${HEED_ARM64_LIBRARIES}/usr/lib/aarch64-linux-gnu "
  "-Wl,-rpath-link,${HEED_ARM64_LIBRARIES}/usr/lib/aarch64-linux-gnu:${HEED_ARM64_LIBRARIES}/lib/aarch64-linux-gnu")
