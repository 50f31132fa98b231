# arm64.cmake -- toolchain file: builds for 64-bit Arm with Debian's cross compiler; tests run under qemu's user mode.
# Static, so that a test program needs nothing of the machine it is copied to. tools/arm64.sh fetches the libraries.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu max)
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -L${CMAKE_SOURCE_DIR}/build/arm64-libraries/usr/lib/aarch64-linux-gnu")
